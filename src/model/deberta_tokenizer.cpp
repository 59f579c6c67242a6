#include "model/deberta_tokenizer.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/failure.hpp"

namespace memoir::model {

namespace {

constexpr std::int64_t cls = 1, sep = 2, unknown = 3, first_byte = 4, last_byte = 259;
constexpr std::size_t pair_specials = 3;
// As for embedding: no model sees more than a fraction of it.
constexpr std::size_t readable_bytes = 64 << 10;

std::string_view front_of(std::string_view text) {
    if (text.size() <= readable_bytes) return text;
    auto end = readable_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end);
}

// The shorter one is kept as long as it fits; when both are too long they share, the longer (or second) one
// gets what is left over.
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t room) {
    const bool swapped = first > second;
    auto shorter = std::min(first, second);
    auto longer = shorter > room ? shorter : std::max(shorter, room - shorter);
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    return swapped ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

}  // namespace

std::optional<Truncation> read_truncation(const std::string& tokenizer_json) {
    std::ifstream file(tokenizer_json, std::ios::binary);
    if (!file) return std::nullopt;
    // The vocabulary (megabytes) is dropped while it is read.
    const auto keep = [](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
        return !(depth == 1 && event == nlohmann::json::parse_event_t::key && value != "truncation");
    };
    const auto root = nlohmann::json::parse(file, keep, false);
    if (!root.is_object() || !root.contains("truncation")) return std::nullopt;
    const auto& said = root["truncation"];
    if (!said.is_object()) return std::nullopt;
    Truncation truncation;
    const auto length = said.value("max_length", nlohmann::json());
    if (!length.is_number_unsigned() || length.get<std::size_t>() <= pair_specials) return std::nullopt;
    truncation.max_length = length.get<std::size_t>();
    const auto strategy = said.value("strategy", nlohmann::json());
    if (strategy == "OnlyFirst") truncation.strategy = Truncation::Strategy::only_first;
    if (strategy == "OnlySecond") truncation.strategy = Truncation::Strategy::only_second;
    return truncation;
}

TokenIds join_pair(TokenIds first, TokenIds second, const Truncation& truncation) {
    const auto room = std::max(truncation.max_length, pair_specials) - pair_specials;
    const auto total = first.size() + second.size();
    using Strategy = Truncation::Strategy;
    if (total > room) {
        // One side alone cannot always make room: then both give.
        if (truncation.strategy == Strategy::only_first && second.size() < room) {
            first.resize(room - second.size());
        } else if (truncation.strategy == Strategy::only_second && first.size() < room) {
            second.resize(room - first.size());
        } else {
            const auto [left, right] = longest_first(first.size(), second.size(), room);
            first.resize(std::min(first.size(), left));
            second.resize(std::min(second.size(), right));
        }
    }
    TokenIds ids{cls};
    ids.insert(ids.end(), first.begin(), first.end());
    ids.push_back(sep);
    ids.insert(ids.end(), second.begin(), second.end());
    ids.push_back(sep);
    return ids;
}

struct DebertaTokenizer::Processor {
    sentencepiece::SentencePieceProcessor pieces;
};

DebertaTokenizer::DebertaTokenizer(const std::string& file) : processor_(std::make_unique<Processor>()) {
    if (!processor_->pieces.Load(file).ok())
        throw StartError("cannot load the tokenizer " + file,
                         "classifier.model_dir must hold the model's own spm.model");
    specials_ = {{"[PAD]", 0},
                 {"[CLS]", cls},
                 {"[SEP]", sep},
                 {"[UNK]", unknown},
                 {"[MASK]", processor_->pieces.GetPieceSize()}};  // the one that is not in the vocabulary
}

DebertaTokenizer::~DebertaTokenizer() = default;

TokenIds DebertaTokenizer::encode(std::string_view text) const {
    text = front_of(text);
    TokenIds ids;
    std::size_t begin = 0;
    for (auto at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
        const auto special = std::find_if(specials_.begin(), specials_.end(), [&](const auto& entry) {
            return text.substr(at).starts_with(entry.first);
        });
        if (special == specials_.end()) {
            ++at;
            continue;
        }
        append_segment(ids, text.substr(begin, at - begin));
        ids.push_back(special->second);
        begin = at += special->first.size();
    }
    append_segment(ids, text.substr(begin));
    return ids;
}

void DebertaTokenizer::append_segment(TokenIds& ids, std::string_view segment) const {
    std::vector<int> pieces;
    if (segment.empty() || !processor_->pieces.Encode(segment, &pieces).ok()) return;
    bool in_run = false;
    for (const int piece : pieces) {
        const bool is_unknown = piece == unknown || (piece >= first_byte && piece <= last_byte);
        if (!is_unknown || !in_run) ids.push_back(is_unknown ? unknown : piece);
        in_run = is_unknown;
    }
}

}  // namespace memoir::model
