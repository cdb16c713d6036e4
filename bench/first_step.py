"""`contrast run STUDY`, with a word on standard output when the first training step is done; `speed.py` times it."""

import sys

from contrast import cli


def watched() -> None:
    """Tell when the first step's rows would be logged; looked up when torch is imported anyway."""
    from contrast.engine.training import Training

    whole = Training.log_step

    def told(self, measured, lr):
        if self.state.step == 1:
            float(measured[0])
            print("first step", flush=True)
        whole(self, measured, lr)

    Training.log_step = told


if __name__ == "__main__":
    from contrast import prepare

    plain = prepare.prepare

    def prepared(*words, **more):
        made = plain(*words, **more)
        watched()
        return made

    prepare.prepare = prepared
    sys.exit(cli.main(["run", sys.argv[1], "--runs", sys.argv[2], "--quiet"]))
