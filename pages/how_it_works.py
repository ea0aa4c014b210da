"""The argument of the paper, each formula, and each limit."""

import streamlit as st

from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.samples import samples
from core.study.protocols import PROTOCOLS
from core.talk import citing
from core.tasks import tasks
from core.text import code, plain

st.title("How it works")

st.header("The question", anchor="question")
st.markdown(
    """
Tendle and Hasan (*A Study of the Generalizability of Self-Supervised Representations*, 2021) take encoders that
were pre-trained with labels (**supervised**, SL) and without (**self-supervised**, SSL), adapt them to data
similar to the source and to data that is significantly different, and compare accuracy, confidence, attribution
of the last convolutional layer, and invariance under augmentation. Their abstract concludes that SSL
representations generalize better, and offers their invariance as the explanation.

This dashboard lets you make the same comparison on any image. It adds what a single number hides: intervals,
floors, and a family of encoders in which little differs besides the regime; what does is named on every page.
"""
)
# Words that wrap: a drawn diagram cannot be read on a phone.
for steps in (
    ("image", "crop the model reads", "encoder", "last map", "pooled feature", "linear head", "logits", "answer"),
    ("last map", "Grad-CAM of any class"),
    ("pooled feature", "invariance"),
):
    st.markdown(" → ".join(f":gray-badge[{step}]" for step in steps))
st.caption("One forward pass gives all of it.")

st.header("Confidence", anchor="confidence")
st.latex(r"p_c = \frac{e^{z_c / T}}{\sum_k e^{z_k / T}}")
st.markdown(
    """
The logits $z$ come from a linear head on the frozen feature. The temperature $T$ is fitted on held-out
validation images, for a head that did not see them, by the negative log-likelihood; it changes how sure a
contender says it is, never what it answers. **Margin** is the difference of the two largest probabilities,
**entropy** is $-\\sum_c p_c \\ln p_c$ in nats, **energy** is $-\\ln \\sum_c e^{z_c}$.

*Limits.* The class scores of a self-supervised encoder come from a probe, here trained by the same protocol for
every packaged encoder. A temperature fitted on one domain does not make a contender calibrated on another. For
heads that were published with their encoder no temperature was fitted, and the page says so.
"""
)

st.header("Where the answer comes from", anchor="attribution")
st.latex(r"M_c(i,j) = \frac{1}{hw}\sum_k W_{ck}\,A_k(i,j), \qquad \sum_{ij} M_c(i,j) = z_c - b_c")
st.markdown(
    """
With average pooling and a linear head, Grad-CAM before its ReLU *is* this class activation map, so it needs no
backward pass and holds for any class. Its cells are shares of the logit: maps of two contenders are drawn on
one scale, in logits. For transformers that read a class token the gradient is taken instead, from the last
block's normalised input.

*Limits.* The map has as many cells as the last layer (8 × 8 for the packaged encoders, 7 × 7 for a ResNet-50);
the smooth picture adds no information. A map without positive evidence is not drawn. The head shapes the map
more than the pre-training does, so contenders with heads of different protocols are marked. No map proves that
a model *used* what it marks.
"""
)
for method in METHODS.values():
    st.markdown(f"- **{plain(method.label)}** ({code(method.id)}, {plain(method.unit)}): {plain(method.description)}")

st.header("Invariance", anchor="invariance")
st.latex(r"S(\lambda) = \cos\big(f(x),\, f(t_\lambda x)\big), \qquad S' = \frac{S - S_0}{1 - S_0}")
st.markdown(
    """
$f$ is the pooled feature and $t_\\lambda$ an augmentation of strength $\\lambda$ in its own unit. Features
after a ReLU are alike for *any* two images, so a raw cosine of .9 may mean nothing: $S_0$ is the mean cosine
between different bundled images, and the chance-corrected $S'$ is 0 where the changed image is no more alike
than another image, and 1 where nothing changed. The paper's own formula was not available to us; we call this
**cosine invariance** and do not claim that it is theirs.

Beside it: the share of **changed answers**, the **probability of the clean answer**, and **map stability**, the
rank correlation (Spearman) of the map before and after, brought back into place where the augmentation moves content.

*Limits.* With one image the band shows its seeds only. Invariance is not a virtue in itself: a random network
keeps much of its feature under blur. That is why it can be drawn along as a floor.
"""
)
st.table(
    [
        {
            "augmentation": a.label,
            "id": a.id,
            "unit": a.unit,
            "from": a.strengths[0],
            "to": a.strengths[-1],
            "what it does": a.description,
        }
        for a in AUGMENTATIONS.values()
    ],
    border="horizontal",
    hide_index=True,
    alt="The augmentations with their units and ranges.",
)

st.header("A study", anchor="study")
st.markdown(
    """
A study adapts every encoder to every data set and keeps one row for each test image: what was answered, how sure,
and what was right. All figures of the study pages are computed from these rows. The training images of a set are
split by a hash of each image's id, so that the split is the same on every machine; a study's seed chooses another.
"""
)
st.table(
    [{"protocol": p.label, "id": p.id, "what it does": p.description} for p in PROTOCOLS.values()],
    border="horizontal",
    hide_index=True,
    alt="The protocols of a study.",
)
st.latex(
    r"\min_{W,b}\; \frac{1}{N}\sum_n -\ln p_{y_n}(x_n) + \frac{1}{2CN}\lVert W\rVert^2"
    r"\qquad\qquad v_n = e^{\cos(x, x_n) / 0.07}"
)
st.markdown(
    """
Left: the linear probe, for 45 values of $C$ from $10^{-6}$ to $10^{5}$; the one that is right most often on held-out
images is fitted again on all of them. Right: the vote of a neighbour.

**Is a difference real?** Both contenders answer the same images, so they are compared image by image: an exact
McNemar test on those that only one gets right, corrected over the data sets of a study (Holm), beside a paired
bootstrap interval of the difference. A difference inside the noise is called "no difference found".

**How far is a set from the source?** Declared in words (similar, different), and measured in an encoder's own
features: Fréchet distance of two Gaussians,
$\\lVert\\mu_x - \\mu_y\\rVert^2 + \\mathrm{tr}(\\Sigma_x + \\Sigma_y - 2(\\Sigma_x\\Sigma_y)^{1/2})$; how well
a classifier tells the two sets apart (AUROC, ½ when it cannot); mean distance to the nearest source images. Two halves
of the source itself give the floor.

**Calibration.** The expected calibration error is the mean gap between confidence and accuracy over 15 bins. On few
images it is above zero for a perfect model too, so that model's distribution is always drawn beside it.

*Limits.* A study compares the encoders it has: one seed of pre-training each says nothing of another training run.
Few-shot episodes share images, so their interval is about episodes, not about new images.
"""
)

st.header("A controlled pair", anchor="controlled")
st.markdown(
    """
Released encoders differ in data order, epochs, augmentation and tricks, so "SSL against SL" is confounded. A
pair is called *controlled* here when architecture, pre-training images, epochs, preprocessing and head protocol
agree; otherwise the page names what differs. Heads of the packaged encoders are the linear probe of a study, seed 0.
"""
)
st.table(
    [
        {
            "task": t.label,
            "id": t.id,
            "domain": t.domain,
            "classes": len(t.classes),
            "images from": t.source,
            "licence": t.licence,
        }
        for t in tasks().values()
    ],
    border="horizontal",
    hide_index=True,
    alt="The tasks with their domain, classes, source and licence.",
)

st.header("Credits", anchor="credits")
st.markdown("Sample images, as the packages that ship them state it:")
st.table(
    [{"sample": s.title, "author": s.author, "licence": s.licence, "source": s.source} for s in samples().values()],
    border="horizontal",
    hide_index=True,
    alt="The sample images with author, licence and source.",
)
st.markdown(
    "Grad-CAM: Selvaraju et al. 2017; CAM: Zhou et al. 2016; temperature scaling: Guo et al. 2017; SimCLR: Chen et al. "
    "2020; weighted k-NN: Wu et al. 2018; integrated gradients: Sundararajan et al. 2017; occlusion: Zeiler and Fergus "
    "2014; invariance measures: Ericsson et al. 2021."
)
with st.popover("What to cite (BibTeX)", icon=":material/format_quote:"):
    st.code(citing.OWN, language="bibtex")
