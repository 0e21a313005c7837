"""How good is a label map: find references and predictions, bring them to one grid and protocol, score and show them."""
