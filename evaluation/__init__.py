"""How good is a label map: references and predictions found, brought to one grid and protocol, scored, shown."""
