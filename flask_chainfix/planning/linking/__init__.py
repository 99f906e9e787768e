"""Link bases and heads: proofs of order, ranking, and the strategies."""
