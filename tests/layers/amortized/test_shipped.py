"""The weights that memapp ships, with the default model: a passage's soft tokens say what the passage says."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from memapp.evaluate.soft_prompt import frame
from memapp.layers.amortized.encoder import SoftEncoder
from memapp.layers.amortized.pooling import read_weights
from memapp.models.catalog import bundled_path
from memapp.models.native import Model, Options
from memapp.models.soft import forced
from memapp.settings import shipped

OPTIONS = Options(context_tokens=512, extra_buffers=False)
KNOWN = (
    (
        "The mill at Dorn\nThe mill at Dorn was bought in 1913 by Ida Kestrel, who ground barley there until the flood "
        "of 1927 carried the wheel away.",
        "Who bought the mill at Dorn?",
        "Ida Kestrel",
    ),
    (
        "Harbour bell\nThe bell of the harbour weighs 840 pounds. It was cast by Matthias Orlov and rings twice when a "
        "ship comes in after dark.",
        "Who cast the bell of the harbour?",
        "Matthias Orlov",
    ),
    (
        "Blue fern\nThe blue fern grows on the north side of Mount Tarvos, where it was first described by "
        "the botanist Lena Whitlock in the summer of 1866.",
        "Where does the blue fern grow?",
        "on the north side of Mount Tarvos",
    ),
)


@pytest.mark.models
@pytest.mark.parametrize("count", [48, 16])
def test_the_right_passage_makes_its_answer_likelier_than_another_one(tmp_path: Path, count: int) -> None:
    path = bundled_path()
    assert path is not None
    weights = read_weights(shipped("weights/amortizer.safetensors"))
    assert count in weights.soft_tokens
    with closing(SoftEncoder(lambda: (path, OPTIONS), weights, tmp_path)) as encoder:
        soft = encoder.encode([passage for passage, _, _ in KNOWN], count)
    with closing(Model(path, OPTIONS)) as model, closing(model.context(OPTIONS)) as context:
        around = frame(model)
        found = np.array(
            [
                [forced(context, around.prompt([one], question), around.plain(answer)) for one in soft]
                for _, question, answer in KNOWN
            ]
        )
        alone = np.array(
            [forced(context, around.prompt([], question), around.plain(answer)) for _, question, answer in KNOWN]
        )
    own, others = np.diagonal(found), found[~np.eye(len(KNOWN), dtype=bool)].reshape(len(KNOWN), -1)
    assert np.all(own > others.max(axis=1))
    assert own.mean() > alone.mean() + 0.5
