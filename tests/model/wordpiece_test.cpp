#include "model/wordpiece.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/failure.hpp"
#include "model/local_models.hpp"
#include "support/scale.hpp"

using namespace memoir;
using model::WordPiece;
using nlohmann::json;
using Ids = std::vector<std::int64_t>;

namespace {

const WordPiece& bge() {
    static const auto tokenizer = WordPiece::load(test::bge_directory() + "/tokenizer.json");
    return tokenizer;
}

Ids encode(std::string_view text) {
    return bge().encode(text, 512);
}

// A tokenizer of a few words, for what the real vocabulary cannot show.
json small() {
    return json::parse(R"({
      "added_tokens": [{"id": 0, "content": "[PAD]", "normalized": false, "special": true},
                       {"id": 2, "content": "[CLS]", "normalized": false, "special": true},
                       {"id": 3, "content": "[SEP]", "normalized": false, "special": true}],
      "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                     "strip_accents": null, "lowercase": true},
      "pre_tokenizer": {"type": "BertPreTokenizer"},
      "post_processor": {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]},
      "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "cafe": 4, "café": 5, "Cafe": 6, "##s": 7,
                          "a": 8, "##b": 9, "中": 10, "x": 11, "##中": 12}}})");
}

double milliseconds(const std::string& text) {
    const auto begin = std::chrono::steady_clock::now();
    encode(text);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

std::string repeat(std::string_view text, std::size_t bytes) {
    std::string whole;
    while (whole.size() < bytes) whole += text;
    return whole;
}

}  // namespace

TEST_CASE("tokenizes every reference case as the model's own tokenizer") {
    std::ifstream in(TEST_DATA_DIR "/wordpiece_cases.json");
    const auto cases = json::parse(in)["cases"];
    REQUIRE(cases.size() >= 200);
    for (const auto& one : cases) {
        const auto text = one["text"].get<std::string>();
        INFO("text: " << text);
        CHECK(encode(text) == one["ids"].get<Ids>());
    }
}

TEST_CASE("cuts at the right and keeps the end token") {
    const auto text = repeat("word ", 5000);
    const auto whole = encode(text);
    CHECK(whole.size() == 512);
    CHECK(whole.front() == 101);
    CHECK(whole.back() == 102);
    CHECK(bge().encode(text, 4) == Ids{101, 2773, 2773, 102});
    CHECK(bge().encode(text, 2) == Ids{101, 102});
    CHECK(bge().encode("", 512) == Ids{101, 102});
    // A word of several pieces is cut within itself, and a special token at the limit goes too.
    CHECK(bge().encode("unbelievableness", 3) == Ids{101, 23653, 102});
    CHECK(bge().encode("word [SEP] word", 3) == Ids{101, 2773, 102});
}

TEST_CASE("drops invalid UTF-8 as it drops U+FFFD") {
    const auto expected = encode("hello world");
    CHECK(encode("hel\xfflo wor\xc3ld") == expected);          // stray byte, lead without tail
    CHECK(encode("hello\xe4\xb8 world") == expected);          // cut sequence
    CHECK(encode("hello \xed\xa0\x80world") == expected);      // surrogate
    CHECK(encode("hello \xf4\x90\x80\x80world") == expected);  // beyond U+10FFFF
    CHECK(encode("hello \xc0\xafworld\xe2\x82") == expected);  // overlong, cut at the end
    CHECK(encode("\xef\xbf\xbdhello world") == expected);
}

TEST_CASE("orders combining marks as canonical decomposition does") {
    // Marks newer than the reference's tables are kept, so their order shows; an accent between them does
    // not.
    const std::string above = "\xf0\x91\x91\x82", low = "\xf0\x91\xaf\x86";
    CHECK(encode("a\xcc\x81\xcc\x96"
                 "b") == encode("ab"));
    CHECK(encode(above + low).size() == encode(low + above).size());
}

TEST_CASE("knows the characters that the reference's Unicode 8.0 knows, as it knew them") {
    const auto alone = [](const char* middle) { return encode(std::string("a") + middle + "b"); };
    const Ids dropped = encode("ab"), split = {101, 1037, 100, 1038, 102}, kept = {101, 100, 102};
    CHECK(alone("\xf0\x91\x97\x8a") == split);  // U+115CA, punctuation of 8.0
    CHECK(alone("\xe2\xb9\x85") == kept);       // U+2E45, punctuation of 10.0
    CHECK(alone("\xf0\x91\xb1\x85") == kept);   // U+11C45, punctuation of 9.0
    CHECK(alone("\xf0\x91\x87\x89") == split);  // U+111C9, punctuation then, a mark now
    CHECK(alone("\xe1\x99\xad") == split);      // U+166D, punctuation then, a symbol now
    CHECK(alone("\xe1\x9c\xb4") == dropped);    // U+1734, a mark then
    CHECK(alone("\xe1\xa2\x85") == kept);       // U+1885, a letter then
    CHECK(alone("\xe0\xa3\xa3") == dropped);    // U+08E3, a mark of 8.0
    CHECK(alone("\xe0\xa3\xa2") == kept);       // U+08E2, a format of 9.0
}

TEST_CASE("takes its rules from the tokenizer file") {
    auto file = small();
    CHECK(WordPiece::parse(file).encode("Cafés CAFE", 16) == Ids{2, 4, 7, 4, 3});
    CHECK(WordPiece::parse(file).encode("x中x", 16) == Ids{2, 11, 10, 11, 3});

    file["normalizer"]["lowercase"] = false;  // and with it the accents stay
    CHECK(WordPiece::parse(file).encode("Cafe cafés", 16) == Ids{2, 6, 5, 7, 3});
    file["normalizer"]["strip_accents"] = true;
    CHECK(WordPiece::parse(file).encode("cafés", 16) == Ids{2, 4, 7, 3});

    file["normalizer"]["handle_chinese_chars"] = false;
    CHECK(WordPiece::parse(file).encode("x中", 16) == Ids{2, 11, 12, 3});

    file["model"]["max_input_chars_per_word"] = 3;
    CHECK(WordPiece::parse(file).encode("ab abbb", 16) == Ids{2, 8, 9, 1, 3});

    file["post_processor"] =
        json::parse(R"({"type": "BertProcessing", "sep": ["[PAD]", 0], "cls": ["[SEP]", 3]})");
    CHECK(WordPiece::parse(file).encode("a", 16) == Ids{3, 8, 0});
}

TEST_CASE("refuses a tokenizer that it does not implement") {
    const auto problem = [](const std::string& pointer, const json& value) -> std::string {
        auto file = small();
        file[json::json_pointer(pointer)] = value;
        try {
            WordPiece::parse(file);
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    };
    CHECK(problem("/model/type", "BPE") == "has a model of type BPE, not WordPiece");
    CHECK(problem("/normalizer", nullptr) == "has the normalizer none, not BertNormalizer");
    CHECK(problem("/pre_tokenizer/type", "Whitespace") ==
          "has the pre-tokenizer Whitespace, not BertPreTokenizer");
    CHECK(problem("/added_tokens/0/lstrip", true) ==
          "has an added token with lstrip, which is not supported");
    CHECK(problem("/model/unk_token", "<unk>") == "lacks the token <unk>");
    CHECK(problem("/post_processor", nullptr) ==
          "has the post-processor none, not TemplateProcessing or BertProcessing");
    CHECK(problem("/model/vocab", nullptr).empty() == false);
}

TEST_CASE("names a missing or broken tokenizer file and the package that brings it") {
    try {
        WordPiece::load("/nonexistent/tokenizer.json");
        FAIL("loaded");
    } catch (const StartError& error) {
        CHECK(error.problem() == "/nonexistent/tokenizer.json cannot be read");
        CHECK(error.hint().find("memoird-local-models") != std::string::npos);
    }
    CHECK_THROWS_WITH(WordPiece::load(TEST_DATA_DIR "/../model/wordpiece_test.cpp"),
                      Catch::Contains("is not JSON"));
    CHECK_THROWS_AS(WordPiece::load(TEST_DATA_DIR "/bge_vectors.json"), StartError);
}

TEST_CASE("stays linear on hostile text") {
    // Each would take minutes where a word, a run of marks or the search for special tokens is quadratic.
    for (const auto* pattern :
         {"x", "\xcc\x81", "a\xcc\x81\xcc\x96", "\xf0\x91\xaf\x86\xf0\x91\x91\x82", "[", "[CLS", "\xff",
          "\xe4\xb8\xad", "q\xc3\xa9\xc3\xa8", "##", "\xea\xb0\x81", "\xe2\x80\x8b"}) {
        INFO("pattern " << pattern);
        CHECK(milliseconds(repeat(pattern, 1'000'000)) < 20'000);
    }
    // Words of exactly the longest length, none of which ends in a known piece.
    CHECK(milliseconds(repeat(std::string(99, 'z') + "\xe2\x82\xac ", 100'000)) < 20'000);
}

TEST_CASE("survives random bytes with ids of its vocabulary only") {
    std::mt19937 random(20240607);
    const std::string spice[] = {"[CLS]", "\xcc\x81",    "\xe4\xb8\xad", " ", "\xf0\x9f\x98\x80",
                                 "word",  "\xed\xa0\x80"};
    for (int round = 0; round < memoir::test::scaled(20'000); ++round) {
        std::string text;
        for (auto n = random() % 40; n > 0; --n)
            if (random() % 3 == 0)
                text += spice[random() % std::size(spice)];
            else
                text += static_cast<char>(random() % 256);
        const auto limit = 2 + random() % 30;
        const auto ids = bge().encode(text, limit);
        REQUIRE(ids.size() >= 2);
        REQUIRE(ids.size() <= limit);
        REQUIRE(ids.front() == 101);
        REQUIRE(ids.back() == 102);
        REQUIRE(std::all_of(ids.begin(), ids.end(), [](auto id) { return id >= 0 && id < 30522; }));
        // The same text gives the same ids, and a cut is a prefix of the whole.
        const auto whole = encode(text);
        REQUIRE(std::equal(ids.begin(), ids.end() - 1, whole.begin()));
    }
}
