"""Time of a training step: Dense U-Nets and U-Nets of several sizes, in float32 and in bfloat16.

    python benchmarks/train_step.py [--filters 32,48,64] [--threads 1] [--compile] [--profile] [--json FILE]

Four random crops of 144 x 128 with seven neighbouring slices, the default loss and AdamW; forward, backward and update, without
drawing the slices. The minimum of six steps, including the first one (warm up).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from darts_ensemble.commands.command_line import words
from darts_ensemble.labels import N_CLASSES
from darts_ensemble.networks.weight_gradients import products_are_faster, use_products
from darts_ensemble.training.fit import new_network
from darts_ensemble.training.losses import segmentation_loss
from darts_ensemble.training.recipe import CROPS, Recipe

STEPS = 6


def step_seconds(recipe: Recipe, *, compiled: bool = False, profiled: bool = False, plain: bool = False) -> tuple[float, int]:
    """Return the seconds of the fastest step, and the number of parameters.

    `profiled` prints a step by operation. `plain` leaves the gradients of weights to torch.
    """
    torch.manual_seed(recipe.seed)
    size = CROPS["coronal"]
    images = torch.rand(recipe.batch, recipe.channels.count, *size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, N_CLASSES, (recipe.batch, *size))
    network = new_network(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not plain and products_are_faster(images.device, recipe.precision):
        use_products(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate)
    forward = torch.compile(network) if compiled else network
    seconds = []

    def step() -> None:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
            logits = forward(images)
        optimiser.zero_grad()
        torch.autograd.backward(segmentation_loss(logits, labels, kind=recipe.loss))
        optimiser.step()
        seconds.append(time.perf_counter() - start)

    for _ in range(STEPS):
        step()
    if profiled:
        with torch.profiler.profile() as profile:
            step()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=40))
        seconds.pop()
    return min(seconds), sum(weight.numel() for weight in network.parameters())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", default="32,48,64", help="of the Dense U-Nets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="pass the network through torch.compile")
    parser.add_argument("--profile", action="store_true", help="print the operations of one step")
    parser.add_argument("--json", type=Path, help="also write the seconds of the Dense U-Nets to this file")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    kept = {}
    how = {"compiled": given.compile, "profiled": given.profile}
    print("| network | filters | parameters | fp32, s per step | its gradients by torch | bf16, s per step |")
    print("| --- | --- | ---: | --- | --- | --- |")
    for architecture, filters in [*(("dense-unet", int(number)) for number in words(given.filters)), ("unet", 16)]:
        single, narrow = (Recipe(architecture=architecture, filters=filters, precision=name) for name in ("fp32", "bf16"))
        (seconds, parameters), (by_torch, _) = step_seconds(single, **how), step_seconds(single, plain=True, **how)
        half, _ = step_seconds(narrow, **how)
        print(f"| {architecture} | {filters} | {parameters:,} | {seconds:.2f} | {by_torch:.2f} | {half:.2f} |", flush=True)
        if architecture == "dense-unet":
            kept[str(filters)] = {"fp32": seconds, "bf16": half}
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
