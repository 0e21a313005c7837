"""Statistics of ordinal ratings: mixed models, agreement of readers, tests of case means, blinding."""
