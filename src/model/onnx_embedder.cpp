#include "model/onnx_embedder.hpp"

#include <algorithm>
#include <cmath>

#include "model/normalize.hpp"

namespace memoir::model {
namespace {

// Measured: 64 to 512 cost nearly the same a token; more pad more and grow the runtime's arena, fewer are
// more runs.
constexpr std::size_t token_budget = 256;

}  // namespace

OnnxEmbedder::OnnxEmbedder(EmbeddingOptions options, const OnnxOptions& onnx)
    : options_(std::move(options)),
      tokenizer_(WordPiece::load(options_.model_dir + "/tokenizer.json")),
      runtime_(OnnxRuntime::open(onnx)),
      session_(runtime_, options_.model_dir + "/model.onnx"),
      pool_(options_.threads > 0 ? options_.threads : usable_cpus()) {
    const auto file = options_.model_dir + "/model.onnx";
    find_ports(file);
    try_once(file);
}

void OnnxEmbedder::find_ports(const std::string& file) {
    const auto hint =
        "memoird runs BERT-like encoders: inputs input_ids, attention_mask and, if any, token_type_ids of "
        "any length, output last_hidden_state; other models go through an HTTP provider";
    for (const auto& input : session_.inputs()) {
        if (input.name == "input_ids")
            roles_.push_back(Role::ids);
        else if (input.name == "attention_mask")
            roles_.push_back(Role::mask);
        else if (input.name == "token_type_ids")
            roles_.push_back(Role::types);
        else
            throw StartError(file + " has the input " + input.name + ", which memoird does not know", hint);
        if (input.type != OnnxPort::Type::int64 || input.shape.size() != 2 || input.shape[0] >= 0 ||
            input.shape[1] >= 0)
            throw StartError(file + " has the input " + input.name + " of another type or of a fixed size",
                             hint);
    }
    for (const auto needed : {Role::ids, Role::mask})
        if (std::count(roles_.begin(), roles_.end(), needed) != 1)
            throw StartError(
                file + " lacks the input " + (needed == Role::ids ? "input_ids" : "attention_mask"), hint);
    const auto& outputs = session_.outputs();
    const auto hidden = std::find_if(outputs.begin(), outputs.end(), [](const OnnxPort& port) {
        return port.type == OnnxPort::Type::float32 && port.shape.size() == 3;
    });
    if (hidden == outputs.end()) throw StartError(file + " has no output of one vector a token", hint);
    output_ = static_cast<std::size_t>(hidden - outputs.begin());
}

// The dimension that the model really gives; and the longest text, where it is longer than such models
// usually take.
void OnnxEmbedder::try_once(const std::string& file) {
    std::size_t length = 3;
    if (options_.max_tokens > 512) length = static_cast<std::size_t>(options_.max_tokens);
    const Ids ids(length, 0), ones(length, 1);
    std::vector<const std::int64_t*> inputs;
    for (const auto role : roles_) inputs.push_back(role == Role::mask ? ones.data() : ids.data());
    try {
        const auto hidden = session_.run(1, static_cast<std::int64_t>(length), inputs, output_);
        if (hidden.shape().size() != 3 || hidden.shape()[2] != options_.dimension)
            throw StartError(
                file + " gives vectors of dimension " + std::to_string(hidden.shape().back()) +
                    ", the configuration says " + std::to_string(options_.dimension),
                "set embedding.dimension to the model's; an index of another dimension has to be built anew");
    } catch (const Failure& failure) {
        throw StartError(file + " does not run on " + std::to_string(length) + " tokens: " + failure.reason(),
                         length > 3 ? "set embedding.max_tokens to what the model takes, usually 512"
                                    : "the file is damaged, or needs a newer ONNX Runtime");
    }
}

std::vector<Embedding> OnnxEmbedder::embed(std::span<const std::string> texts, std::stop_token stop) {
    std::vector<Ids> ids;
    std::vector<std::size_t> lengths;
    for (const auto& text : texts) {
        ids.push_back(tokenizer_.encode(text, static_cast<std::size_t>(options_.max_tokens)));
        lengths.push_back(ids.back().size());
    }
    const auto batches = plan_micro_batches(lengths, token_budget);
    std::vector<Embedding> vectors(texts.size());
    pool_.run(
        batches.size(), [&](std::size_t index) { run(batches[index], ids, vectors); }, stop);
    return vectors;
}

void OnnxEmbedder::run(std::span<const std::size_t> batch, const std::vector<Ids>& ids,
                       std::vector<Embedding>& vectors) const {
    std::size_t columns = 0;
    for (const auto index : batch) columns = std::max(columns, ids[index].size());
    const auto cells = batch.size() * columns;
    Ids padded(cells, tokenizer_.padding()), mask(cells, 0);
    const Ids types(cells, 0);
    for (std::size_t row = 0; row < batch.size(); ++row) {
        const auto& one = ids[batch[row]];
        const auto at = static_cast<std::ptrdiff_t>(row * columns);
        std::copy(one.begin(), one.end(), padded.begin() + at);
        std::fill_n(mask.begin() + at, one.size(), 1);
    }
    std::vector<const std::int64_t*> inputs;
    for (const auto role : roles_)
        inputs.push_back(role == Role::ids ? padded.data() : role == Role::mask ? mask.data() : types.data());
    const auto hidden = session_.run(static_cast<std::int64_t>(batch.size()),
                                     static_cast<std::int64_t>(columns), inputs, output_);
    const auto width = columns * static_cast<std::size_t>(options_.dimension);
    for (std::size_t row = 0; row < batch.size(); ++row)
        vectors[batch[row]] = pool(hidden.values().subspan(row * width, width), ids[batch[row]].size());
}

// `hidden` is one text's rows, padding last; only its own `tokens` rows count.
Embedding OnnxEmbedder::pool(std::span<const float> hidden, std::size_t tokens) const {
    const auto dimension = static_cast<std::size_t>(options_.dimension);
    Embedding vector(hidden.begin(), hidden.begin() + static_cast<std::ptrdiff_t>(dimension));
    if (options_.pooling == "mean")
        for (std::size_t i = 0; i < dimension; ++i) {
            double sum = 0;
            for (std::size_t token = 0; token < tokens; ++token) sum += hidden[token * dimension + i];
            vector[i] = static_cast<float>(sum / static_cast<double>(tokens));
        }
    if (!normalize(vector)) throw Failure(FailureType::job, "the model gave a vector that has no direction");
    return vector;
}

}  // namespace memoir::model
