"""What a study tells its reader: the page, the terminal's answer, and tables in every format. Takes tables and a Comparison."""
