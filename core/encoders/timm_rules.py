"""What timm's tags mean: regime, method and data of every tag that the catalog takes.

timm's names say little and mislead where they do: `fb_ssl` is semi-supervised, `ssld` a distillation, `sam` an
optimiser. Each rule was read from the publication behind the tag. The first rule that fits a whole name decides.
"""

import re
from dataclasses import dataclass

from core.encoders.spec import Regime


@dataclass(frozen=True, slots=True)
class Rule:
    """What a family of tags is.

    Attributes:
        pattern: of the whole name, architecture and tag.
        regime: how its members were pre-trained.
        method: the training method's usual name.
        data: what they saw.
        paper: short reference.
        note: what a reader must know before comparing.
        pool: the pooling that upstream uses where timm's default is another.
    """

    pattern: str
    regime: Regime
    method: str
    data: str
    paper: str
    note: str = ""
    pool: str = ""


_TUNED = "Pre-trained without labels, then fine-tuned with them: not a self-supervised representation any more."
_CLIP_TEACHER = "Learned to regress features of CLIP, which saw captions: language-supervised at one remove."
_DINO3 = (
    "Other data than ImageNet-1k by three orders of magnitude, and all sizes but 7B are distilled from the 7B model: a "
    "difference to an ImageNet-1k encoder is a difference of data and distillation too."
)
_SEMI = "Despite its tag ('ssl') semi-supervised: a labelled teacher marked the images, and labels fine-tuned it."

RULES: tuple[Rule, ...] = (
    # Self-supervised.
    Rule(r"vit_.*\.dino", "self-supervised", "DINO", "ImageNet-1k", "Caron et al. 2021"),
    Rule(
        r"(vit|convnext).*\.dinov3_lvd1689m|vit_.*_dinov3(_qkvb)?\.lvd1689m",
        *("self-supervised", "DINOv3", "LVD-1689M", "Siméoni et al. 2025"),
        note=_DINO3 + " Features are the CLS token where there is one, as upstream; timm's default averages patches.",
        pool="token",
    ),
    Rule(
        r"vit_.*_dinov3(_qkvb)?\.sat493m",
        *("self-supervised", "DINOv3", "SAT-493M (satellite)", "Siméoni et al. 2025"),
        note="Trained on satellite images. Features are the CLS token, as upstream; timm's default averages patches.",
        pool="token",
    ),
    Rule(
        r"vit_.*_dinov2\.lvd142m",
        *("self-supervised", "DINOv2", "LVD-142M", "Oquab et al. 2024"),
        note="Other data than ImageNet-1k: a difference is a difference of data too.",
    ),
    Rule(r"(vit|hiera)_.*\.mae", "self-supervised", "MAE", "ImageNet-1k", "He et al. 2022; Ryali et al. 2023"),
    Rule(
        r"convnextv2_.*\.fcmae",
        *("self-supervised", "FCMAE", "ImageNet-1k", "Woo et al. 2023"),
        note="The file has no final normalisation: the feature is normalised without learned scale.",
    ),
    Rule(
        r"regnety_.*\.seer",
        *("self-supervised", "SEER (SwAV)", "Instagram, 1 billion images", "Goyal et al. 2022"),
        note="Other data than ImageNet-1k: a difference is a difference of data too.",
    ),
    Rule(
        r"resmlp_.*\.fb_dino",
        *("self-supervised", "DINO", "ImageNet-1k", "Touvron et al. 2022"),
        note="timm lists 1,000 classes for it; the published file has no classifier, so it is treated as headless.",
    ),
    Rule(
        r"vit_.*_lingbot\.robbyant",
        *("self-supervised", "LingBot-Vision", "web images", "LingBot-Vision 2026"),
        note="Smaller sizes are distilled from the giant one. Upstream squashes images to a square; here the centre "
        "is cropped.",
    ),
    Rule(
        r"vit_.*\.(in1k|in22k)_ijepa",
        *("self-supervised", "I-JEPA", "ImageNet", "Assran et al. 2023"),
        note="The target encoder of the training checkpoint, which the paper evaluates; timm's own loader takes the "
        "context encoder.",
    ),
    # Self-supervised by name, and taught by captions, several teachers, or labels afterwards.
    Rule(r"eva02_.*\.mim_(in22k|m38m)", "vision-language", "EVA-02", "see tag", "Fang et al. 2023", _CLIP_TEACHER),
    Rule(
        r"(eva02|eva)_.*_ft_.*",
        *("self-supervised-fine-tuned", "EVA", "see tag", "Fang et al. 2023"),
        note=f"{_CLIP_TEACHER} Then fine-tuned with labels.",
    ),
    Rule(r"beit_.*_ft_.*", "self-supervised-fine-tuned", "BEiT", "ImageNet-22k", "Bao et al. 2022", _TUNED),
    Rule(
        r"beitv2_.*_ft_.*",
        *("self-supervised-fine-tuned", "BEiT v2", "ImageNet", "Peng et al. 2022"),
        note=f"{_TUNED} Its tokenizer was taught by CLIP.",
    ),
    Rule(r"convnextv2_.*\.fcmae_ft_.*", "self-supervised-fine-tuned", "FCMAE", "ImageNet", "Woo et al. 2023", _TUNED),
    Rule(r"hiera_.*\.mae_in1k_ft_in1k", "self-supervised-fine-tuned", "MAE", "ImageNet-1k", "Ryali 2023", _TUNED),
    Rule(
        r"regnety_.*\.seer_ft_in1k",
        *("self-supervised-fine-tuned", "SEER", "Instagram, then ImageNet-1k", "Goyal et al. 2022", _TUNED),
    ),
    Rule(
        r".*\.eupe_.*",
        *("distilled", "EUPE", "web images", "Meta 2026"),
        note="Distilled from several teachers, self-supervised, captioned and labelled ones among them.",
    ),
    Rule(r".*\.fb_ssl_.*", "semi-supervised", "Billion-scale semi-supervised", "YFCC-100M", "Yalniz 2019", _SEMI),
    Rule(
        r".*\.fb_swsl_.*",
        *("semi-weakly-supervised", "Billion-scale semi-weakly supervised", "Instagram-1B", "Yalniz et al. 2019"),
        note="A teacher trained on hashtags marked the images, and labels fine-tuned it: not self-supervised.",
    ),
    Rule(
        r"tf_efficientnet_.*\.ns_jft_in1k.*",
        *("semi-supervised", "Noisy Student", "JFT-300M unlabelled, ImageNet-1k", "Xie et al. 2020"),
    ),
    Rule(
        r"(regnety_(160|320|1280)\.swag|resnext101_.*\.fb_wsl).*",
        *("weakly-supervised", "hashtags", "Instagram", "Singh et al. 2022; Mahajan et al. 2018"),
    ),
    Rule(r"aimv2_.*", "vision-language", "AIMv2", "images with captions", "Fini et al. 2024"),
    Rule(
        r"(vit_(base|large)_patch\d+_clip_quickgelu_224|resnet50_clip)\.openai",
        *("vision-language", "CLIP", "WIT-400M", "Radford et al. 2021"),
        note="Supervised by captions. Activations are QuickGELU, as trained; another stem and pooling than ResNet-50's "
        "in the convolutional one.",
    ),
    Rule(
        r"vit_(base|large|so400m)_patch\d+_siglip_(224|256)\.(webli|v2_webli)",
        *("vision-language", "SigLIP", "WebLI", "Zhai et al. 2023; Tschannen et al. 2025"),
        note="Supervised by captions. Upstream squashes images to a square; here the centre is cropped.",
    ),
    # Supervised partners.
    Rule(
        r"vit_base_patch(16|32)_224\.sam_in1k",
        *("supervised", "cross-entropy with SAM", "ImageNet-1k", "Chen et al. 2022"),
        note="'sam' is Sharpness-Aware Minimisation, an optimiser, not Segment Anything.",
    ),
    Rule(r"(resnet50|vit_base_patch16_224)\.bamboo", "supervised", "Bamboo", "69 million labelled", "Zhang 2022"),
    Rule(r"convnext_(tiny|small|base|large)\.fb_in1k", "supervised", "ConvNeXt", "ImageNet-1k", "Liu et al. 2022"),
    Rule(r"convnext_(tiny|small|base|large)\.fb_in22k.*", "supervised", "ConvNeXt", "ImageNet-22k", "Liu et al. 2022"),
    Rule(r"convnext_(tiny|small)\.in12k.*", "supervised", "ConvNeXt", "ImageNet-12k", "Liu et al. 2022; timm"),
    Rule(r"deit_(tiny|small|base)_patch16_224\.fb_in1k", "supervised", "DeiT", "ImageNet-1k", "Touvron et al. 2021"),
    Rule(r"deit3_(small|base)_patch16_224\.fb_in1k", "supervised", "DeiT III", "ImageNet-1k", "Touvron et al. 2022"),
    Rule(r"deit3_(small|base)_patch16_224\.fb_in22k.*", "supervised", "DeiT III", "ImageNet-22k", "Touvron 2022"),
    Rule(r"hiera_small_abswin_256\..*", "supervised", "Hiera", "ImageNet-12k", "Ryali et al. 2023; timm"),
    Rule(r"regnety_320\.(pycls|tv2)_in1k", "supervised", "RegNet", "ImageNet-1k", "Radosavovic et al. 2020"),
    Rule(r"resmlp_(12|24)_224\.fb_in1k", "supervised", "ResMLP", "ImageNet-1k", "Touvron et al. 2022"),
    Rule(
        r"(resmlp_(12|24)_224\.fb_distilled|xcit_.*_224\.fb_dist)_in1k",
        *("supervised", "cross-entropy and a labelled teacher", "ImageNet-1k", "Touvron 2022; Ali et al. 2021"),
    ),
    Rule(r"xcit_(small_12|medium_24)_p(8|16)_224\.fb_in1k", "supervised", "XCiT", "ImageNet-1k", "Ali et al. 2021"),
    Rule(r"swin_tiny_patch4_window7_224\.ms_in1k", "supervised", "Swin", "ImageNet-1k", "Liu et al. 2021"),
    Rule(r"vit_.*_224\.augreg2?_in1k", "supervised", "AugReg", "ImageNet-1k", "Steiner et al. 2022"),
    Rule(r"vit_(small|base|large)_patch\d+_224\.augreg2?_in21k.*", "supervised", "AugReg", "ImageNet-21k", "Steiner"),
    Rule(r"vit_(base|large)_patch16_224\.orig_in21k.*", "supervised", "ViT", "ImageNet-21k", "Dosovitskiy 2021"),
    Rule(
        r"(resnet18|resnet50|resnext50_32x4d)\.(tv|tv2|a1|a1h|a2|a3|am|b1k|b2k|bt|c1|c2|d|gluon|ra|ram)_in1k",
        *("supervised", "cross-entropy", "ImageNet-1k", "He et al. 2016; Wightman et al. 2021"),
        note="timm's recipes are longer and stronger than the ones self-supervised encoders are compared with.",
    ),
)

LEFT_OUT: tuple[tuple[str, str], ...] = (
    (r"deit_.*_distilled_.*", "it answers with two classifiers on two tokens, not with one linear head on one feature"),
    (r"vit_.*_sapiens2\.fb", "its input is not square (1024 x 768), and it was trained on people alone"),
    (r"resnet\d+(x\d+)?_clip.*", "of CLIP's networks one convolutional and three token ones are kept"),
    (r"naflexvit_.*", "it takes patches of any aspect, not one square image"),
    (r"vit_7b_.*|vit_5b_.*", "it has more than 10 GB of weights, beyond what this program is for"),
    (r"aimv2_(3b|1b)_.*|aimv2_.*_(336|448)\..*", "other sizes of the same encoder are kept"),
    (r"beit3_.*", "it was trained on images and captions together, and reads both"),
    (r".*\.c_radio", "distilled from several teachers, some of which saw captions; EUPE stands for this kind"),
    (r"(hgnet|lcnet|hrnet|nextvit).*ssld.*", "'ssld' is semi-supervised label distillation, outside the three lines"),
    (r"xcit_(nano|tiny|large)_.*|xcit_small_24_.*", "a size that DINO published no partner for"),
    (r"eva_giant_.*\.clip_ft_in1k", "CLIP fine-tuned with labels; EVA's own fine-tuned encoders are kept"),
)
"""Patterns of names that look as if they belonged here, and why they do not."""

SUSPECT = (
    r"dino|\bmae|moco|swav|simclr|byol|ijepa|_mim|beit|seer|ibot|\bmsn|ssl|fcmae|eupe|radio|\bcapi|franca|data2vec"
)
"""What a name looks like that may be self-supervised; one that neither a rule nor an exclusion knows is reported."""


def rule_of(name: str) -> Rule | None:
    """The first rule that fits a timm name; None where none does, or where it is left out."""
    if reason(name):
        return None
    return next((rule for rule in RULES if re.fullmatch(rule.pattern, name)), None)


def reason(name: str) -> str:
    """Why a timm name is left out; empty where it is not."""
    if name == "resnet50_clip.openai":
        return ""
    return next((why for pattern, why in LEFT_OUT if re.fullmatch(pattern, name)), "")
