"""Captions, vocabularies, image features, and the built-in scenes."""
from data.coco import decode_captions, load_coco_data, sample_coco_minibatch
from data.loading import load
from data.pictures import image_from_url
from data.tokenizer import tokenize
