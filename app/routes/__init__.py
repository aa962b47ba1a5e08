"""The JSON door: one thin module per stage. Parse, call one service, return."""
