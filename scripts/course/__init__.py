"""The course kit: assignments made from this project, and the grader that runs what students hand in."""
