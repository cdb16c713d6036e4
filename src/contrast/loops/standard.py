"""Train, validate after each epoch, keep the best weights by validation, stop on budget or patience."""

from __future__ import annotations

import torch

from contrast.engine.step import change, gradients
from contrast.engine.training import Training
from contrast.protocols import LoopIngredient


class Standard(LoopIngredient):
    """The loop. It reads like the paper: what it leaves out is in the ingredients that it calls."""

    def train(self, training: Training) -> None:
        """Carry a training from where its state stands to its end.

        Rows leave at `log_step` and `log_epoch`; weights are averaged at one place. Nothing in an epoch waits for the
        device except where rows are handed over.
        """
        state, recipe = training.state, training.recipe
        while not state.stopped:
            state.model.train()
            with training.clock.on("train"):
                for images, labels in training.batches.of_epoch(state.epoch, start=state.position):
                    lr = training.set_rate()
                    state.moment.step = state.step
                    with training.outside_randomness():
                        measured = gradients(state.model, recipe.loss, images, labels, training.machine, recipe.micro_batch, state.moment)
                    norms = change(state.model, state.optimizer, recipe.clip_norm, recipe.watch)
                    state.step += 1
                    state.position += 1
                    state.running += measured
                    if state.average is not None:
                        state.average.update(state.model)
                    training.log_step(torch.cat((measured, norms)), lr)
                    if training.diverged() or training.out_of_steps():
                        break
                    training.keep_now_and_then()
            if training.diverged(up_to_now=True):
                break
            training.validate()
            training.keep()
        training.keep()
