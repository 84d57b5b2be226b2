"""Pure: who people are, what a card holds, what rules grant, and the view that follows."""
