// tokenizer.json of the Hugging Face format, as far as BERT's WordPiece goes.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/failure.hpp"
#include "model/wordpiece.hpp"

namespace memoir::model {

using nlohmann::json;

namespace {

[[noreturn]] void refuse(const std::string& what) {
    throw std::invalid_argument(what);
}

std::string type_of(const json& node) {
    return node.is_object() ? node.value("type", std::string("none")) : std::string("none");
}

// A flag that is absent or null has the format's default.
bool flag(const json& node, const char* key, bool otherwise) {
    const auto found = node.find(key);
    return found != node.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

}  // namespace

class WordPieceReader {
  public:
    static WordPiece read(const json& file) {
        WordPiece made;
        if (!file.is_object()) refuse("is no tokenizer of the Hugging Face format");
        normalizer(file.value("normalizer", json()), made);
        const auto pre = type_of(file.value("pre_tokenizer", json()));
        if (pre != "BertPreTokenizer") refuse("has the pre-tokenizer " + pre + ", not BertPreTokenizer");
        model(file.value("model", json()), made);
        specials(file.value("added_tokens", json::array()), made);
        template_ends(file.value("post_processor", json()), made);
        return made;
    }

  private:
    static void normalizer(const json& node, WordPiece& made) {
        if (type_of(node) != "BertNormalizer")
            refuse("has the normalizer " + type_of(node) + ", not BertNormalizer");
        auto& rules = made.rules_;
        rules.clean_text = flag(node, "clean_text", true);
        rules.handle_chinese_chars = flag(node, "handle_chinese_chars", true);
        rules.lowercase = flag(node, "lowercase", true);
        rules.strip_accents = flag(node, "strip_accents", rules.lowercase);
    }

    static void model(const json& node, WordPiece& made) {
        if (type_of(node) != "WordPiece") refuse("has a model of type " + type_of(node) + ", not WordPiece");
        const auto prefix = node.value("continuing_subword_prefix", std::string("##"));
        made.longest_word_ = node.value("max_input_chars_per_word", std::size_t{100});
        const auto& vocabulary = node.at("vocab");
        std::size_t bytes = 0;
        for (const auto& [text, id] : vocabulary.items()) bytes += text.size();
        made.text_.reserve(bytes);  // the views below must not move
        made.begins_.reserve(vocabulary.size());
        for (const auto& [text, id] : vocabulary.items()) {
            const std::string_view piece(made.text_.data() + made.text_.size(), text.size());
            made.text_.insert(made.text_.end(), text.begin(), text.end());
            made.begins_.emplace(piece, id.get<std::int64_t>());
            if (!prefix.empty() && piece.size() > prefix.size() && piece.substr(0, prefix.size()) == prefix)
                made.continues_.emplace(piece.substr(prefix.size()), id.get<std::int64_t>());
            made.longest_piece_ = std::max(made.longest_piece_, piece.size());
        }
        made.unknown_ = id_of(made, node.value("unk_token", std::string("[UNK]")));
    }

    static void specials(const json& tokens, WordPiece& made) {
        for (const auto& token : tokens) {
            const auto text = token.at("content").get<std::string>();
            // These change what a match takes with it, and a normalized one is matched at another time.
            for (const auto* key : {"single_word", "lstrip", "rstrip", "normalized"})
                if (flag(token, key, false))
                    refuse("has an added token with " + std::string(key) + ", which is not supported");
            if (!text.empty()) made.specials_.emplace_back(text, token.at("id").get<std::int64_t>());
        }
        std::stable_sort(made.specials_.begin(), made.specials_.end(),
                         [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
    }

    // What stands before and after a single text.
    static void template_ends(const json& node, WordPiece& made) {
        std::string begin = "[CLS]", end = "[SEP]";
        if (type_of(node) == "BertProcessing") {
            begin = node.at("cls").at(0).get<std::string>();
            end = node.at("sep").at(0).get<std::string>();
        } else if (type_of(node) == "TemplateProcessing") {
            const auto& single = node.at("single");
            if (single.size() != 3 || !single[1].contains("Sequence"))
                refuse("has a template that is not [CLS] text [SEP]");
            begin = single[0].at("SpecialToken").at("id").get<std::string>();
            end = single[2].at("SpecialToken").at("id").get<std::string>();
        } else {
            refuse("has the post-processor " + type_of(node) + ", not TemplateProcessing or BertProcessing");
        }
        made.begin_ = id_of(made, begin);
        made.end_ = id_of(made, end);
        const auto padding = made.begins_.find("[PAD]");
        made.padding_ = padding == made.begins_.end() ? 0 : padding->second;
    }

    static std::int64_t id_of(const WordPiece& made, const std::string& token) {
        for (const auto& [text, id] : made.specials_)
            if (text == token) return id;
        const auto found = made.begins_.find(token);
        if (found == made.begins_.end()) refuse("lacks the token " + token);
        return found->second;
    }
};

WordPiece WordPiece::parse(const json& tokenizer) {
    try {
        return WordPieceReader::read(tokenizer);
    } catch (const json::exception&) {
        throw std::invalid_argument(
            "is not a tokenizer of the Hugging Face format: a key is missing or of another type");
    }
}

WordPiece WordPiece::load(const std::string& file) {
    const std::string hint =
        "embedding.model_dir must hold model.onnx and tokenizer.json of a BERT model; the package "
        "memoird-local-models brings them";
    std::ifstream in(file, std::ios::binary);
    if (!in) throw StartError(file + " cannot be read", hint);
    const auto tokenizer = json::parse(in, nullptr, false);
    if (tokenizer.is_discarded()) throw StartError(file + " is not JSON", hint);
    try {
        return parse(tokenizer);
    } catch (const std::invalid_argument& error) {
        throw StartError(file + " " + error.what(), hint);
    }
}

}  // namespace memoir::model
