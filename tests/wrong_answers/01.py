"""Typical mistakes in lesson 1's exercises, of the right shape and type."""

WRONG = {
    "1.1": [
        # the camera taken for the person
        'pattern = r"cam(?P<pid>\\d+)-person(?P<camid>-?\\d+)-\\d+\\.jpg"',
        # cameras of one digit only
        'pattern = r"cam(?P<camid>\\d)-person(?P<pid>-?\\d+)-\\d+\\.jpg"',
        # forgets junk, whose pid is -1
        'pattern = r"cam(?P<camid>\\d+)-person(?P<pid>\\d+)-\\d+\\.jpg"',
    ],
    "1.2": [
        # leaves out the whole camera
        "def counts(pid, cam, pids, cams):\n    return (pids != -1) & (cams != cam)",
        # neither the pid nor the camera, in place of not both
        "def counts(pid, cam, pids, cams):\n"
        "    return (pids != -1) & (pids != pid) & (cams != cam)",
        # forgets junk
        "def counts(pid, cam, pids, cams):\n"
        "    return ~((pids == pid) & (cams == cam))",
        # drops distractors with the junk
        "def counts(pid, cam, pids, cams):\n"
        "    return (pids > 0) & ~((pids == pid) & (cams == cam))",
    ],
    "1.3": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
    "1.4": [
        # counts the images only
        "def is_pk(labels, p, k):\n    return len(labels) == p * k",
        # counts people and images, not the images of each
        "def is_pk(labels, p, k):\n"
        "    return len(set(labels)) == p and len(labels) == p * k",
        # takes a person's images to stand side by side
        "def is_pk(labels, p, k):\n"
        "    rows = [labels[i : i + k] for i in range(0, len(labels), k)]\n"
        "    return len(rows) == p and all(len(set(r)) == 1 for r in rows)",
    ],
}
