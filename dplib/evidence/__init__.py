"""The paper's claims put to the test: variants, their runs, and what these show."""
