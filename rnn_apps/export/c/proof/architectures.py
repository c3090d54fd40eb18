"""What differs between processors' architectures in a program for an emulated board.

Both architectures reach the computer outside by semihosting: the same operations, by an instruction
of their own (Arm, "Semihosting for AArch32 and AArch64"; RISC-V International, "RISC-V
Semihosting"). Both count instructions: an Arm core by its SysTick timer, which counts down in the
board's time, a RISC-V core by its counter of retired instructions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """How programs for boards of one architecture are made and started.

    Attributes:
        name: name in messages.
        compiler: program that compiles for it.
        emulator: QEMU's program for it.
        packages: packages of Debian and Ubuntu that have all that is needed.
        library: options of the compiler for its small C library.
        options: options of the emulator.
        code, data: addresses at which code memory and data memory begin.
        text: C code of `semihosting`, `start_ticks`, `ticks`, `TICKS_MASK`, `READ_STACK_POINTER`
            and of the start-up, which calls `begin`.
    """

    name: str
    compiler: str
    emulator: str
    packages: tuple[str, ...]
    library: tuple[str, ...]
    options: tuple[str, ...]
    code: int
    data: int
    text: str


_ARM_TEXT = """
static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

/* SysTick, which counts down. */
#define TIMER ((volatile uint32_t *)0xe000e010)
#define TICKS_MASK 0xffffffu
#define READ_STACK_POINTER "mov %0, sp"

static void start_ticks(void)
{
    TIMER[1] = 0xffffff;
    TIMER[2] = 0;
    TIMER[0] = 5;
}

static inline uint32_t ticks(void)
{
    return TICKS_MASK - TIMER[2];
}

__attribute__((noreturn)) void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* the floating-point unit */
    __asm__ volatile("dsb\\nisb");
    begin();
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))&_stack_top, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};
"""

_RISC_V_TEXT = """
/* These three instructions, none of them compressed and all on one page, are the call. */
__attribute__((noinline)) static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\\n.option norvc\\n.balign 16\\n"
                     "slli zero, zero, 0x1f\\nebreak\\nsrai zero, zero, 7\\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
}

#define TICKS_MASK 0xffffffffu
#define READ_STACK_POINTER "mv %0, sp"

static void start_ticks(void)
{
}

/* CSR 0xb02 is minstret, 0x305 mtvec and 0x300 mstatus, by number because names need Zicsr. */
static inline uint32_t ticks(void)
{
    uint32_t count;
    __asm__ volatile(".option push\\n.option arch, +zicsr\\ncsrr %0, 0xb02\\n.option pop"
                     : "=r"(count) : : "memory");
    return count;
}

/* The floating-point unit is switched on where there is one. */
__attribute__((section(".vectors"), naked, noreturn, used)) void reset(void)
{
    __asm__ volatile(".option push\\n.option arch, +zicsr\\n"
                     "la sp, _stack_top\\n"
                     "la t0, %0\\ncsrw 0x305, t0\\n"
                     "li t0, 0x2000\\ncsrs 0x300, t0\\n"
                     "j %1\\n.option pop"
                     : : "i"(fault), "i"(begin));
}
"""

ARM = Architecture(
    name="Arm",
    compiler="arm-none-eabi-gcc",
    emulator="qemu-system-arm",
    packages=("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm"),
    library=("--specs=nano.specs",),
    options=(),
    code=0x00000000,
    data=0x20000000,
    text=_ARM_TEXT,
)
# The secure state of cores with TrustZone, in which they start.
ARM_SECURE = dataclasses.replace(ARM, code=0x10000000, data=0x38000000)
RISC_V = Architecture(
    name="RISC-V",
    compiler="riscv64-unknown-elf-gcc",
    emulator="qemu-system-riscv32",
    packages=(
        "gcc-riscv64-unknown-elf",
        "picolibc-riscv64-unknown-elf",
        "qemu-system-misc",
    ),
    library=("--specs=picolibc.specs",),
    options=("-bios", "none"),
    code=0x80000000,
    data=0x80400000,
    text=_RISC_V_TEXT,
)
