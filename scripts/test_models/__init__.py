"""Makes the tiny models that the tests of the real engines load; README.md says what each of them can do."""
