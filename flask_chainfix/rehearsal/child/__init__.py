"""Code for the fresh process, which can only reach the scratch databases."""
