#include "config/key_rows.hpp"

namespace memoir::config {
namespace {

using C = Config;
using Chat = model::ChatOptions;
using Embedding = model::EmbeddingOptions;

Target label(Config& config, std::string_view name) {
    return &config.classifier->labels[std::string(name)];
}

// [extraction] and [relational] have the same keys: those of the server, and those of a call.
template <auto Part>
std::vector<Key> chat_server_keys() {
    return {
        {.name = "provider",
         .type = Type::choice,
         .target = at<Part, &Chat::provider>,
         .choices = {"ollama", "openai", "anthropic"},
         .live = true,
         .help = "Whose API the model server speaks. Use openai, with its url, for every compatible server "
                 "(vLLM, llama.cpp, LM Studio and others)."},
        {.name = "url",
         .type = Type::url,
         .target = at<Part, &Chat::url>,
         .live = true,
         .help = "The server's base URL. By default http://localhost:11434 for ollama, "
                 "https://api.openai.com for openai and https://api.anthropic.com for anthropic.",
         .sample = "http://localhost:11434"},
        {.name = "model",
         .type = Type::text,
         .target = at<Part, &Chat::model>,
         .live = true,
         .help = "The model's name as the server knows it. It is stored with every extracted memory, and "
                 "statistics group by it. By default llama3.2:1b for ollama, gpt-4o-mini for openai and "
                 "claude-haiku-4-5 for anthropic.",
         .sample = "llama3.2:1b"},
        {.name = "api_key",
         .type = Type::secret,
         .target = at<Part, &Chat::api_key>,
         .live = true,
         .help = "The server's API key, from a file that only memoird can read or from a systemd credential. "
                 "It is never sent over http:// beyond loopback.",
         .sample = "/etc/memoird/llm-api-key"},
    };
}

template <auto Part>
std::vector<Key> chat_call_keys() {
    return {
        {.name = "timeout",
         .type = Type::duration,
         .target = at<Part, &Chat::timeout>,
         .low = 100 * ms,
         .high = 1 * h,
         .live = true,
         .help = "How long one call may take, from the first byte sent to the last one received."},
        {.name = "silence_timeout",
         .type = Type::duration,
         .target = at<Part, &Chat::silence_timeout>,
         .low = 100 * ms,
         .high = 1 * h,
         .live = true,
         .help = "How long the server may send nothing after its reply has begun."},
        {.name = "max_output_tokens",
         .type = Type::integer,
         .target = at<Part, &Chat::max_output_tokens>,
         .low = 16,
         .high = 1'000'000,
         .live = true,
         .help = "The most tokens that a reply may have. A truncated reply counts as a failed attempt."},
        {.name = "max_concurrent",
         .type = Type::integer,
         .target = at<Part, &Chat::max_concurrent>,
         .low = 1,
         .high = 1024,
         .live = true,
         .help =
             "How many calls this process makes at the same time. Further calls wait, and the wait does not "
             "count towards any timeout."},
        {.name = "num_ctx",
         .type = Type::integer,
         .target = at<Part, &Chat::num_ctx>,
         .low = 0,
         .high = 10'000'000,
         .live = true,
         .help =
             "Ollama's context size in tokens, which must hold the prompt and the reply. 0: as much as the "
             "two need."},
        {.name = "prompt_file",
         .type = Type::path,
         .target = at<Part, &Chat::prompt_file>,
         .live = true,
         .help = "A file with instructions that replace the built-in ones. Empty: the built-in ones.",
         .sample = "/etc/memoird/prompt.txt"},
        {.name = "ca_file",
         .type = Type::path,
         .target = at<Part, &Chat::ca_file>,
         .live = true,
         .help = "Certificates (PEM) to trust for https:// instead of the system's. Empty: the system's.",
         .sample = "/etc/memoird/ca.pem"},
    };
}

template <auto Part>
void add_chat_keys(std::vector<Key>& keys, std::string_view section, Key most_items) {
    for (auto& rows : {chat_server_keys<Part>(), chat_call_keys<Part>()})
        for (Key key : rows) {
            key.section = section;
            keys.push_back(std::move(key));
        }
    most_items.section = section;
    keys.push_back(std::move(most_items));
}

void add_embedding_keys(std::vector<Key>& keys) {
    keys.insert(
        keys.end(),
        {
            {.section = "embedding",
             .name = "provider",
             .type = Type::choice,
             .target = at<&C::embedding, &Embedding::provider>,
             .choices = {"onnx", "ollama", "openai", "tei"},
             .live = true,
             .help = "What computes the vectors: onnx in this process, or a server that speaks the API of "
                     "Ollama, OpenAI (or a compatible server) or Text Embeddings Inference."},
            {.section = "embedding",
             .name = "model",
             .type = Type::text,
             .target = at<&C::embedding, &Embedding::model>,
             .may_be_empty = false,
             .live = true,
             .help = "The model's name. Readers must use the same model."},
            {.section = "embedding",
             .name = "model_dir",
             .type = Type::path,
             .target = at<&C::embedding, &Embedding::model_dir>,
             .live = true,
             .help = "For onnx: the folder with model.onnx and tokenizer.json."},
            {.section = "embedding",
             .name = "dimension",
             .type = Type::integer,
             .target = at<&C::embedding, &Embedding::dimension>,
             .low = 1,
             .high = 65'535,
             .refused = true,
             .help = "The dimension of a vector. It must match the model and the index."},
            {.section = "embedding",
             .name = "max_tokens",
             .type = Type::integer,
             .target = at<&C::embedding, &Embedding::max_tokens>,
             .low = 3,
             .high = 131'072,
             .live = true,
             .help = "The most tokens of a text that the model sees; the rest is cut off."},
            {.section = "embedding",
             .name = "pooling",
             .type = Type::choice,
             .target = at<&C::embedding, &Embedding::pooling>,
             .choices = {"cls", "mean"},
             .live = true,
             .help = "For onnx: how the tokens' vectors are combined into one. It depends on the model."},
            {.section = "embedding",
             .name = "threads",
             .type = Type::integer,
             .target = at<&C::embedding, &Embedding::threads>,
             .low = 0,
             .high = 1024,
             .live = true,
             .help = "For onnx: how many single-threaded runs there are at the same time, for all loops "
                     "together. 0: as many as the CPU affinity and the control group's quota allow."},
        });
}

void add_embedding_server_keys(std::vector<Key>& keys) {
    keys.insert(
        keys.end(),
        {
            {.section = "embedding",
             .name = "url",
             .type = Type::url,
             .target = at<&C::embedding, &Embedding::url>,
             .live = true,
             .help = "The server's base URL, for every provider except onnx.",
             .sample = "http://localhost:11434"},
            {.section = "embedding",
             .name = "api_key",
             .type = Type::secret,
             .target = at<&C::embedding, &Embedding::api_key>,
             .live = true,
             .help = "The server's API key, from a file that only memoird can read or from a systemd "
                     "credential. It is never sent over http:// beyond loopback.",
             .sample = "/etc/memoird/embedding-api-key"},
            {.section = "embedding",
             .name = "timeout",
             .type = Type::duration,
             .target = at<&C::embedding, &Embedding::timeout>,
             .low = 100 * ms,
             .high = 1 * h,
             .live = true,
             .help = "How long one call to the server may take."},
            {.section = "embedding",
             .name = "ca_file",
             .type = Type::path,
             .target = at<&C::embedding, &Embedding::ca_file>,
             .live = true,
             .help = "Certificates (PEM) to trust for https:// instead of the system's. Empty: the system's.",
             .sample = "/etc/memoird/ca.pem"},
            {.section = "onnx",
             .name = "library",
             .type = Type::path,
             .target = at<&C::onnx, &model::OnnxOptions::library>,
             .help = "ONNX Runtime's shared library. Empty: the one that the package memoird-local-models "
                     "installs, or else the system's.",
             .sample = "/usr/lib/libonnxruntime.so"},
        });
}

void add_vector_keys(std::vector<Key>& keys) {
    using V = vector::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "vector",
             .name = "backend",
             .type = Type::choice,
             .target = at<&C::vector, &V::backend>,
             .choices = {"qdrant", "postgres"},
             .help = "Where vectors are stored: qdrant, which the library's readers search, or postgres, a "
                     "table beside memories, for trials and small installations."},
            {.section = "vector",
             .name = "url",
             .type = Type::url,
             .target = at<&C::vector, &V::url>,
             .may_be_empty = false,
             .help = "Qdrant's REST port (not its gRPC port, which is 6334 by default)."},
            {.section = "vector",
             .name = "collection",
             .type = Type::text,
             .target = at<&C::vector, &V::collection>,
             .may_be_empty = false,
             .help = "Qdrant's collection; it is created if it does not exist."},
            {.section = "vector",
             .name = "timeout",
             .type = Type::duration,
             .target = at<&C::vector, &V::timeout>,
             .low = 100 * ms,
             .high = 1 * h,
             .live = true,
             .help = "How long one call to Qdrant may take."},
            {.section = "vector",
             .name = "api_key",
             .type = Type::secret,
             .target = at<&C::vector, &V::api_key>,
             .live = true,
             .help = "Qdrant's API key, from a file that only memoird can read or from a systemd credential. "
                     "It is never sent over http:// beyond loopback.",
             .sample = "/etc/memoird/qdrant-api-key"},
            {.section = "vector",
             .name = "ca_file",
             .type = Type::path,
             .target = at<&C::vector, &V::ca_file>,
             .live = true,
             .help = "Certificates (PEM) to trust for https:// instead of the system's. Empty: the system's.",
             .sample = "/etc/memoird/ca.pem"},
        });
}

void add_classifier_keys(std::vector<Key>& keys) {
    using O = model::ClassifierOptions;
    keys.insert(keys.end(),
                {
                    {.section = "classifier",
                     .name = "provider",
                     .type = Type::choice,
                     .target = at<&C::classifier, &O::provider>,
                     .choices = {"onnx", "embedding"},
                     .live = true,
                     .help = "onnx: a zero-shot NLI model in this process. embedding: the nearest of the "
                             "label sentences by the embedder that is loaded anyway; less exact, but free."},
                    {.section = "classifier",
                     .name = "model_dir",
                     .type = Type::path,
                     .target = at<&C::classifier, &O::model_dir>,
                     .live = true,
                     .help = "For onnx: the folder with model.onnx and spm.model; config.json and "
                             "tokenizer.json are read if present."},
                    {.section = "classifier",
                     .name = "threshold",
                     .type = Type::number,
                     .target = at<&C::classifier, &O::threshold>,
                     .low = 0,
                     .high = 1,
                     .live = true,
                     .help = "The score that the best label must reach; below it, a fact is `transient`."},
                    {.section = "classifier.labels",
                     .name = "*",
                     .type = Type::text,
                     .target = label,
                     .choices = {"preference", "identity", "workflow", "factual", "transient"},
                     .may_be_empty = false,
                     .live = true,
                     .help = "For embedding: the sentence that represents this label.",
                     .sample = "The user likes or dislikes something."},
                });
}

void add_graph_keys(std::vector<Key>& keys) {
    using G = graph::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "graph",
             .name = "url",
             .type = Type::url,
             .target = at<&C::graph, &G::url>,
             .may_be_empty = false,
             .schemes = "redis rediss unix",
             .help =
                 "FalkorDB's address: redis://HOST:PORT, rediss://HOST:PORT with TLS, or unix:/path/of/the/socket."},
            {.section = "graph",
             .name = "name",
             .type = Type::text,
             .target = at<&C::graph, &G::name>,
             .may_be_empty = false,
             .help = "The name of the graph."},
            {.section = "graph",
             .name = "user",
             .type = Type::text,
             .target = at<&C::graph, &G::user>,
             .live = true,
             .help = "The user to log in as. Empty: the server's default user."},
            {.section = "graph",
             .name = "password",
             .type = Type::secret,
             .target = at<&C::graph, &G::password>,
             .live = true,
             .help = "The password, from a file that only memoird can read or from a systemd credential.",
             .sample = "/etc/memoird/graph-password"},
            {.section = "graph",
             .name = "ca_file",
             .type = Type::path,
             .target = at<&C::graph, &G::ca_file>,
             .live = true,
             .help =
                 "Certificates (PEM) to trust for rediss:// instead of the system's. Empty: the system's.",
             .sample = "/etc/memoird/ca.pem"},
            {.section = "graph",
             .name = "timeout",
             .type = Type::duration,
             .target = at<&C::graph, &G::timeout>,
             .low = 100 * ms,
             .high = 1 * h,
             .live = true,
             .help = "How long one query may take."},
        });
}

}  // namespace

void add_backend_keys(std::vector<Key>& keys) {
    add_embedding_keys(keys);
    add_embedding_server_keys(keys);
    add_vector_keys(keys);
    add_chat_keys<&C::extraction>(keys, "extraction",
                                  {.name = "max_facts",
                                   .type = Type::integer,
                                   .target = at<&C::extraction, &Chat::max_items>,
                                   .low = 1,
                                   .high = 100'000,
                                   .live = true,
                                   .help = "How many facts one reply may give; the rest is left out, with a "
                                           "warning. Each becomes a memory with "
                                           "jobs of its own."});
    add_chat_keys<&C::relational>(
        keys, "relational",
        {.name = "max_triples",
         .type = Type::integer,
         .target = at<&C::relational, &Chat::max_items>,
         .low = 1,
         .high = 100'000,
         .live = true,
         .help = "How many triples one reply may give; the rest is left out, with a warning."});
    add_classifier_keys(keys);
    add_graph_keys(keys);
}

}  // namespace memoir::config
