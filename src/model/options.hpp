#pragma once
// The options of every model role. Keys of the config file have the same names.

#include <chrono>
#include <map>
#include <string>

#include "base/secret.hpp"

namespace memoir::model {

struct EmbeddingOptions {
    std::string provider = "onnx";  // onnx, ollama, openai, tei
    std::string model = "BAAI/bge-small-en-v1.5";
    std::string model_dir = "/usr/share/memoird/models/bge-small-en-v1.5";
    int dimension = 384;
    int max_tokens = 512;
    std::string pooling = "cls";  // cls, mean
    int threads = 0;  // concurrent single-threaded runs; 0: as many as affinity and cgroup quota allow
    std::string url;  // HTTP providers
    Secret api_key;
    std::chrono::milliseconds timeout{30'000};
    std::string ca_file;
    friend bool operator==(const EmbeddingOptions&, const EmbeddingOptions&) = default;
};

// [onnx]: the library that all in-process models share.
struct OnnxOptions {
    std::string library;  // libonnxruntime.so; empty: memoird's private folder, then the system's
    friend bool operator==(const OnnxOptions&, const OnnxOptions&) = default;
};

// [extraction] and [relational].
struct ChatOptions {
    std::string provider = "ollama";  // ollama, openai, anthropic
    std::string url;                  // empty: the provider's own
    std::string model;                // empty: the provider's default of docs/contract.md, "Extraction"
    Secret api_key;
    std::chrono::milliseconds timeout{120'000};
    std::chrono::milliseconds silence_timeout{30'000};  // no byte once the headers have come
    int max_output_tokens = 4096;
    int max_concurrent = 8;
    int num_ctx = 0;      // Ollama; 0: enough for prompt and output
    int max_items = 500;  // facts, triples of one reply; [extraction] max_facts, [relational] max_triples
    std::string prompt_file;
    std::string ca_file;
    friend bool operator==(const ChatOptions&, const ChatOptions&) = default;
};

struct ClassifierOptions {
    std::string provider = "onnx";  // onnx, embedding
    std::string model_dir = "/usr/share/memoird/models/nli";
    double threshold = 0.5;
    std::map<std::string, std::string>
        labels;  // provider embedding: label → sentence; absent ones have defaults
    friend bool operator==(const ClassifierOptions&, const ClassifierOptions&) = default;
};

}  // namespace memoir::model
