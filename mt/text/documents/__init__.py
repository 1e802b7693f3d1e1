"""Files of a kind that keeps its layout around the text: subtitles, message catalogues, Word documents, web pages."""
