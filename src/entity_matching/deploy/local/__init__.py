"""The target ``local``: the jobs of a bundle run on this machine as graphs of tasks, beside endpoint and schedule."""
