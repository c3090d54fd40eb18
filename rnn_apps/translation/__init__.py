"""Translation with recurrent networks: the network and the search; the application is to come."""
