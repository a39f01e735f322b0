"""JetBrains Space's other side: organizations with OAuth, applications, tokens and projects."""
