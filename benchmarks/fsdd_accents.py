"""How speakers of other languages say the English digits: spellings for voices of espeak-ng.

    python -m benchmarks.fsdd_accents

prints how the synthesiser reads each spelling, in the International Phonetic Alphabet.

A voice of another language reads a word by that language's rules, with that language's sounds. An
English digit is therefore spelt so that these rules give what a speaker of the language says for
it: Germans have no "th", and say "frie" or "thrie" for "three". Where people differ, there are
several spellings. Languages whose voices misread the spellings that were tried, or make sounds that
are far from English (Arabic, Hebrew, Korean, Malayalam, Persian), or that drop the consonants at
the end that tell "five" from "nine" (Chinese, Vietnamese), are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.speech.recordings.synthesis import ACCENTS

Spellings = tuple[tuple[str, ...], ...]

ENGLISH_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# The digits from 0 to 9, with a bar between them and blanks between their spellings.
_TABLE = {
    "Afrikaans": "siero|wan wun|toe|srie trie frie|for fôr|faaif faif|siks|sewwen|eit ejt|nain",
    "Albanian": "ziro|uan|tu|thri tri|for|fajv fajf|siks|seven|ejt|najn",
    "Basque": "siro|uan|tu|sri tri|for|faif faib|siks|seben|eit|nain",
    "Bulgarian": "зиро|уан|ту|три сри фри|фор|файв файф|сикс|севън|ейт|найн",
    "Catalan": "siro|uan|tu|sri tri|for|faif faiv|sics|seven|eit|nain",
    "Croatian": "ziro zirou|uan van|tu|sri tri fri|for|fajv fajf|siks|seven|ejt|najn",
    "Czech": "zírou zíro|uan van|tú|srí trí frí|fór|fajf fajv|siks|seven sevn|ejt|najn",
    "Danish": "siro|uan wan|tu|tri sri fri|får for|fajv fajf|siks|seven|æjt æit|najn",
    "Dutch": "ziero zierou|wan won|toe|srie trie frie|for foor|fajf|siks|sevven seven|eejt eet"
    "|najn",
    "Estonian": "ziro|uan van|tuu|srii trii frii|foor foo|faiv faif|siks|seven|eit|nain",
    "Finnish": "siro|uan van|tuu|srii trii frii|foor foo|faiv faif|siks|seven|eit|nain",
    "French (Belgium)": "ziro|ouane|tou|sri tri fri|for|faillf faille-ve|sixe|sévenne sèveune"
    "|eïte ète|naillne",
    "French (France)": "ziro zéro|ouane|tou|sri tri fri|for|faillf faille-ve|sixe"
    "|sévenne sèveune|eïte ète|naillne",
    "French (Switzerland)": "ziro|ouane|tou|sri tri fri|for|faillf faille-ve|sixe"
    "|sévenne sèveune|eïte ète|naillne",
    "Georgian": "ზირო|უან ვან|ტუ|სრი თრი|ფორ|ფაივ|სიქს|სევენ|ეით|ნაინ",
    "German": "siero|wann wonn uan|tuh|frie thrie|foor vor|faif|ßix sicks|sewwen ßewwen|ejt ehjt"
    " eet|nain",
    "Greek": "ζίρο ζίροου|ουάν γουάν|τού|θρί|φορ|φάιβ φάιφ|σιξ|σέβεν|έιτ|νάιν",
    "Gujarati": "ઝીરો|વન|ટુ|થ્રી|ફોર|ફાઇવ|સિક્સ|સૅવન સેવ્ન|એઇટ|નાઇન",
    "Hindi": "ज़ीरो जीरो|वन|टू|थ्री त्री|फ़ोर फोर|फ़ाइव फाइव|सिक्स|सेवन|एट एइट|नाइन",
    "Hungarian": "zíró zírou|uán von|tú|szrí trí frí|fór|fájv fájf|sziksz|szeven|éjt|nájn",
    "Icelandic": "síró|vann van|tú|þríí|for fór|fæv fæf|sikks six|seven|eit|nænn",
    "Indonesian": "ziro|wan|tu|tri sri|for|faif|siks|seven sefen|eit|nain",
    "Italian": "sírou ziro siro|uan|tu|tri sri fri|for|faiv faif|sics|seven sèven|eit èit|nain",
    "Japanese": "ゼロ ジロ|ワン|ツー トゥー|スリー|フォー|ファイブ|シックス|セブン|エイト|ナイン",
    "Kannada": "ಜೀರೋ|ವನ್|ಟೂ|ತ್ರೀ|ಫೋರ್|ಫೈವ್|ಸಿಕ್ಸ್|ಸೆವೆನ್|ಎಯ್ಟ್|ನೈನ್",
    "Latvian": "ziro|uan van|tū|srī trī|for|faiv|siks|seven|eit|nain",
    "Lithuanian": "zyro ziro|uan van|tu|try|for|faiv|siks|seven|eit|nain",
    "Macedonian": "зиро|уан ван|ту|три сри|фор|фајв|сикс|севен|ејт|најн",
    "Malay": "ziro|wan|tu|tri sri|for|faif|siks|seven|eit|nain",
    "Norwegian Bokmål": "sirå|vann|to|tri sri|får|faiv|siks|sevven seven|ejt|nain",
    "Polish": "ziro zyro zirou|łan uan|tu|sri tri fri|for|fajf|syks siks|sewen|ejt|najn",
    "Portuguese (Brazil)": "zírou zíro|uan|tu|tri fri|fór for|fáivi faive|sics síquis|séven séveni"
    "|êiti êit|náini naine",
    "Portuguese (Portugal)": "zírou zíro|uâne|tu|tri fri|fór for|faive|sics|séven sévene"
    "|êite êit|naine",
    "Punjabi": "ਜ਼ੀਰੋ|ਵਨ|ਟੂ|ਥ੍ਰੀ|ਫੋਰ|ਫਾਈਵ|ਸਿਕਸ|ਸੇਵਨ|ਏਟ|ਨਾਈਨ",
    "Romanian": "ziro zirou|uan|tu|tri sri fri|for|faiv faif|sics|seven|eit|nain",
    "Russian": "зиро зироу|уан ван|ту|срий фрий трий|фор|файв файф|сикс|севен сэвэн|эйт|найн",
    "Serbian": "ziro|uan van|tu|tri sri fri|for|fajv|siks|seven|ejt|najn",
    "Slovak": "zírou zíro|uan van|tú|srí trí frí|fór|fajf fajv|siks|seven sevn|ejt|najn",
    "Slovenian": "ziro zirou|uan|tu|sri tri fri|for|fajf|siks|seven|ejt|nain",
    "Spanish (Latin America)": "siro sírou|uan guan|tu|sri tri|for|faif faib|sics|seven|eit|nain",
    "Spanish (Spain)": "siro sírou|uan guan|tu|sri tri|for|faif faib|sics|seven|eit|nain",
    "Swahili": "ziro|wan|tu|thri|foo|faivu faiv|siksi siks|seveni seven|eiti eit|naini nain",
    "Swedish": "sirå|wann|to tu|tri sri fri|får fårr|fajv|sicks|sevven|ejt|najn",
    "Telugu": "జీరో|వన్|టూ|త్రీ థ్రీ|ఫోర్|ఫైవ్|సిక్స్|సెవెన్|ఎయిట్|నైన్",
    "Turkish": "ziro zirou|uan van|tu|tri sri sıri|for|fayv fayf|siks|sevın seven|eyt|nayn",
    "Ukrainian": "зіро зіроу|уан ван|ту|срі трі фрі|фор|файв файф|сікс|севен|ейт|найн",
    "Welsh": "siro sirow|won wan|tw|thri|ffôr|ffaif|sics|sefn sefen|êt eit|nain",
}


def spellings_of(line: str) -> Spellings:
    """The spellings of the ten digits in a line like those of the table."""
    return tuple(tuple(spellings.split()) for spellings in line.split("|"))


# Spellings of the ten digits by the accent's name in espeak-ng.
FOREIGN: Mapping[str, Spellings] = MappingProxyType(
    {accent: spellings_of(line) for accent, line in _TABLE.items()}
)
ENGLISH: Mapping[str, Spellings] = MappingProxyType(
    {accent: tuple((word,) for word in ENGLISH_WORDS) for accent in ACCENTS}
)


def main() -> None:
    # Only here: the library is loaded by the process that speaks.
    from pipelines.speech.recordings.synthesis_worker import Synthesiser

    synthesiser = Synthesiser()
    for accent, digits in {**ENGLISH, **FOREIGN}.items():
        readings = (
            ", ".join(f"{spelling} {synthesiser.phonemes(accent, spelling)}" for spelling in one)
            for one in digits
        )
        print("\t".join((accent, *readings)), flush=True)


if __name__ == "__main__":
    main()
