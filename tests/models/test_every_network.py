"""Every classifier of torchvision and one of each of many families of timm: built, its head replaced, its table printed."""

from __future__ import annotations

import pytest
import torch

from contrast import catalog, networks
from contrast.explain.layers import layer_table

FAMILIES = (
    "beit_base_patch16_224", "botnet26t_256", "caformer_s18", "cait_xxs24_224", "coat_tiny", "convit_tiny", "convmixer_768_32", "convnext_atto",
    "crossvit_9_240", "cspresnet50", "davit_tiny", "deit_tiny_patch16_224", "densenet121", "dla34", "dpn48b", "edgenext_xx_small",
    "efficientformer_l1", "efficientnet_b0", "efficientvit_b0", "eva02_tiny_patch14_224", "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny",
    "ghostnet_050", "hardcorenas_a", "hgnet_tiny", "hrnet_w18_small", "inception_v4", "lcnet_035", "levit_128s", "maxvit_tiny_tf_224",
    "mixer_s16_224", "mixnet_s", "mnasnet_050", "mobilenetv2_035", "mobilenetv3_small_050", "mobileone_s0", "mobilevit_xxs", "mvitv2_tiny",
    "nest_tiny", "nfnet_f0", "pit_ti_224", "poolformer_s12", "pvt_v2_b0", "regnetx_002", "repvgg_a0", "res2net50_14w_8s", "resmlp_12_224",
    "resnet18", "resnetv2_50", "rexnet_100", "selecsls42", "sequencer2d_s", "swin_tiny_patch4_window7_224", "swinv2_cr_tiny_224", "tiny_vit_5m_224",
    "tnt_s_patch16_224", "tresnet_m", "twins_svt_small", "vgg11", "visformer_tiny", "vit_tiny_patch16_224", "volo_d1_224", "xception41",
    "xcit_nano_12_p16_224",
)  # fmt: skip


def torchvision_names() -> list[str]:
    from torchvision import models

    return [f"torchvision/{name}" for name in models.list_models(module=models)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("use", [*torchvision_names(), *(f"timm/{name}" for name in FAMILIES)])
def test_builds_gets_its_head_replaced_and_prints_its_table(use: str) -> None:
    config = catalog.parse("model", {"use": use, "weights": "default", "head": {"hidden": [11]}})
    shape = image_of(config)
    with torch.device("meta"):
        model = networks.network(config, shape, 7)
    networks.check_output(config, model, shape, 7)
    places = config.head_of(model)
    assert places
    for place in places:
        assert [part for part in model.get_submodule(place).modules() if getattr(part, "out_features", getattr(part, "out_channels", 0)) == 11]
    table = layer_table(model, shape)
    assert table.total == sum(parameter.numel() for parameter in model.parameters())
    assert places[0] in table.to_text()


def image_of(config: object) -> tuple[int, int, int]:
    told = type(config).library_preprocessing(config)  # type: ignore[attr-defined]
    side = 224 if told is None else told.size
    return (3, side, side)
