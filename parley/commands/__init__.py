"""One module a subcommand of `parley`, imported when it is used."""
