"""The graph layer: phrases and passages with weighted edges, searched by Personalized PageRank."""
