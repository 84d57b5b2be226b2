"""How a change travels from the document store to those who reconcile."""
