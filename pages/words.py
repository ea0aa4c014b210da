"""The words of this dashboard, plainly, each with the term of the field."""

import streamlit as st

from core.text import plain

st.title("What the words mean")
st.markdown("Each word as this dashboard uses it, and what people of the field call it.")

GLOSSARY = {
    "Who is compared": {
        "Encoder": "A trained network that turns a picture into numbers and is not changed any more (frozen backbone).",
        "Supervised, SL": "Learned from pictures and the labels that people gave them (supervised learning).",
        "Self-supervised, SSL": "Learned from the pictures alone, by tasks that need no labels, such as telling two "
        "views of one picture from other pictures (self-supervised learning).",
        "Feature": "The numbers that an encoder makes of a picture: what it keeps of it (representation).",
        "Head": "The small part after an encoder that chooses among the classes of a task. It is fitted for each task, "
        "by the same procedure for everyone (linear probe, k-nearest neighbours).",
        "Contender": "An encoder with its head: one side of a comparison.",
        "Random weights": "The same network, never trained. What it reaches takes no learning (untrained baseline).",
        "Controlled pair": "Two encoders that differ in how they learned and in as little else as possible.",
    },
    "Near and far": {
        "Source": "Data of the kind that the encoders learned from (in-domain).",
        "Similar, different": "Data close to the source, such as other photographs, and far from it, such as X-rays "
        "(near and far transfer).",
        "Distance": "How unlike two sets of pictures are to an encoder, measured on its features (Fréchet distance).",
        "Generalization gap": "Accuracy on different data minus that on similar data.",
    },
    "How sure": {
        "Confidence": "The probability that a contender gives its own answer (maximum softmax probability).",
        "Temperature": "One number that makes all answers more or less sure and changes none of them; fitted on "
        "pictures that are not tested (temperature scaling).",
        "ECE": "How far confidence and the share of right answers lie apart, on average: 0 is honest (expected "
        "calibration error).",
        "Margin": "How far the first answer leads the second, in probability.",
        "Entropy": "How evenly the probability is spread: 0 when all is on one class.",
        "Energy": "How little a picture excites the head as a whole: high for pictures it hardly knows (free energy).",
        "Coverage": "The share of pictures that is answered when only sure answers count (selective prediction).",
        "AUROC": "The chance that of one right and one wrong answer the right one is the surer; a half is chance.",
    },
    "Where and what moves it": {
        "Evidence": "What a place of the picture adds to the score of a class (attribution, Grad-CAM).",
        "Augmentation": "A change of the picture that keeps what is on it: turned, blurred, recoloured, covered.",
        "Invariance": "How much of the feature stays under such a change: 1 is all, 0 as of another picture.",
        "Chance-corrected": "Rescaled so that 0 is what chance gives. Features of any two pictures are alike to some "
        "degree; that part is taken out.",
        "Floor": "What would be reached without knowing anything: by chance, or by random weights (baseline).",
        "Cosine": "How alike two features are, 1 when they point the same way (cosine similarity).",
        "CKA": "How alike two encoders arrange the same pictures (centred kernel alignment).",
    },
    "How certain a finding is": {
        "Interval": "Where the true value lies, with 95 % confidence, given these test pictures.",
        "No difference found": "The interval of the difference holds 0, or the difference is no larger than between "
        "two training runs of one method.",
        "Paired test": "Both contenders answer the same pictures, and only those count that one of them gets right "
        "(McNemar's test).",
        "Seed": "The number that random choices start from; another one is another draw.",
    },
}
for part, words in GLOSSARY.items():
    st.header(plain(part))
    for word, meaning in words.items():
        st.markdown(f"**{plain(word)}.** {plain(meaning)}")
st.page_link("how_it_works.py", label="The formulas and their limits", icon=":material/menu_book:")
