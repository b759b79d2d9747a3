"""Documents as text: strict parsing of JSON and YAML, and the line of any place in them."""
