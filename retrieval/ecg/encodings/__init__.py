"""Recordings as fields of pairs of samples: GASF, RP and MTF, the images of the paper, for the same tower.

Qiu et al., Automated Cardiovascular Record Retrieval by Multimodal Learning between Electrocardiogram and Clinical
Report, ML4H 2023 (arXiv 2304.06286).
"""

from retrieval.ecg.encodings.encoding import PAGE, Encoding
from retrieval.ecg.encodings.fields import gasf, markov_transition_field, recurrence
from retrieval.ecg.encodings.image import encoded_image, tower_image, window_shown

__all__ = [
    "PAGE",
    "Encoding",
    "encoded_image",
    "gasf",
    "markov_transition_field",
    "recurrence",
    "tower_image",
    "window_shown",
]
