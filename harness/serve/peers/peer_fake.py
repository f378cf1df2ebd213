"""Peers that need no library, one for each thing that may happen to a peer: tests/program/peers.py drives them."""
import os
import shutil
import time

from case import Skip


class Peer:
    name, version = "Fake", "1.0"

    def __init__(self, variant, threads):
        self.variant, self.trials = variant, 0
        if variant == "absent":
            raise ModuleNotFoundError("No module named 'fake'", name="fake")

    def open(self, case, folder):
        if self.variant == "picky":
            raise Skip("no shape is good enough")
        if self.variant == "brittle":
            os._exit(7)
        if self.variant == "rude":
            raise RuntimeError("not in\nthe mood")

        def run(calls):
            self.trials += 1
            for _ in range(calls):
                if self.variant == "slow":
                    time.sleep(20e-3)
            if self.variant == "late" and self.trials > 40:
                os._exit(9)

        def save(path):
            shutil.copyfile(os.path.join(folder, "o.npy"), path)
            if self.variant == "wrong":
                with open(path, "r+b") as file:  # the first number of the output: 128 bytes of header come before it
                    file.seek(128)
                    file.write(b"\0\0\200\77")

        return run, save
