#include "ctl/memory_lines.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "ctl/command.hpp"

using namespace memoir;
using namespace memoir::ctl;

namespace {

std::vector<memory::NewMemory> read(const std::string& text, const memory::NewMemory& defaults = {}) {
    std::istringstream in(text);
    return read_memory_lines(in, defaults);
}

std::string problem(const std::string& text) {
    try {
        read(text);
    } catch (const Usage& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("reads one memory a line, blank lines passed over") {
    const auto memories = read(
        "{\"agent\":\"a\",\"org\":\"o\",\"user\":\"u\",\"content\":\"Zoé\\n2\",\"metadata\":{\"k\":1.0},"
        "\"event_at\":\"2026-05-22T01:30:00+02:00\"}\r\n\n  \n"
        "{\"agent\":\"a\",\"org\":\"o\",\"user\":\"u\",\"content\":\"\"}");
    REQUIRE(memories.size() == 2);
    CHECK(memories[0].content == "Zoé\n2");
    CHECK(memories[0].metadata == "{\"k\":1.0}");
    CHECK(memories[0].event_at == "2026-05-21T23:30:00Z");
    CHECK(memories[1].metadata == "{}");
    CHECK_FALSE(memories[1].event_at);
}

TEST_CASE("takes from the flags what a line leaves out") {
    const auto memories = read("{\"content\":\"x\",\"user\":\"v\"}", {"a", "o", "u", "", "{\"s\":1}", {}});
    REQUIRE(memories.size() == 1);
    CHECK(memories[0].agent_id == "a");
    CHECK(memories[0].user_id == "v");
    CHECK(memories[0].metadata == "{\"s\":1}");
}

TEST_CASE("an agent or organisation that is nowhere named is none, and null says so against the flags") {
    const auto memories = read(
        "{\"content\":\"x\",\"user\":\"__MEMOIR_u\"}\n{\"content\":\"x\",\"user\":\"u\",\"agent\":\"b\"}");
    REQUIRE(memories.size() == 2);
    CHECK(memories[0].agent_id == "__MEMOIR_NO_AGENT__");
    CHECK(memories[0].org_id == "__MEMOIR_NO_ORG__");
    CHECK(memories[0].user_id == "__MEMOIR_u");
    CHECK(memories[1].agent_id == "b");
    const auto told = read("{\"content\":\"x\",\"agent\":null}", {"a", "o", "u", "", "{}", {}});
    CHECK(told[0].agent_id == "__MEMOIR_NO_AGENT__");
    CHECK(told[0].org_id == "o");
}

TEST_CASE("names the line that is wrong, and quotes nothing of it") {
    const std::string good = R"({"agent":"a","org":"o","user":"u","content":"said"})";
    const std::string start = R"({"agent":"a","org":"o","user":"u","content":"said")";
    const auto [line, expected] = GENERATE_COPY(table<std::string, std::string>({
        {"secret", "line 3: not JSON, or not UTF-8"},
        {"{\"content\":\"\xff\"}", "line 3: not JSON, or not UTF-8"},
        {"[\"secret\"]", "line 3: a JSON object was expected"},
        {"{\"agent\":\"a\",\"org\":\"o\",\"user\":\"u\"}", "line 3: content is missing"},
        {"{\"agent\":\"\",\"org\":\"o\",\"user\":\"u\",\"content\":\"secret\"}",
         "line 3: agent must not be empty; leave it out for none"},
        {"{\"user\":\"\",\"content\":\"secret\"}", "line 3: user must not be empty"},
        {"{\"user\":null,\"content\":\"secret\"}", "line 3: user must be a string"},
        {"{\"agent\":\"a\",\"org\":\"o\",\"content\":\"secret\"}", "line 3: user is missing"},
        {"{\"user\":\"u\",\"org\":\"__MEMOIR_NO_ORG__\",\"content\":\"secret\"}",
         "line 3: org must not begin with __MEMOIR_, which the library keeps for itself; leave it out for none"},
        {"{\"agent\":7,\"content\":\"secret\"}", "line 3: agent must be a string"},
        {start + ",\"secret\":1}",
         "line 3: a key that is none of agent, org, user, content, metadata, event_at"},
        {start + ",\"metadata\":[\"secret\"]}", "line 3: metadata must be a JSON object"},
        {start + ",\"metadata\":{\"a\":[\"secret\\u0000\"]}}",
         "line 3: metadata holds a NUL character, which PostgreSQL cannot store"},
        {start + ",\"event_at\":\"secret\"}",
         "line 3: event_at must be RFC 3339 with an offset, or a date YYYY-MM-DD"},
        {"{\"content\":\"secret\\u0000\"}",
         "line 3: content holds a NUL character, which PostgreSQL cannot store"},
    }));
    CHECK(problem(good + "\n\n" + line) == expected);
}

TEST_CASE("the demo's memories are what they are said to be") {
    std::ifstream file(SOURCE_DIR "/scripts/demo-memories.jsonl");
    const auto memories = read_memory_lines(file, {});
    CHECK(memories.size() == 200);
    std::set<std::string> scopes, texts;
    std::size_t longest = 0;
    for (const auto& memory : memories) {
        scopes.insert(memory.agent_id + "/" + memory.org_id + "/" + memory.user_id);
        texts.insert(memory.content);
        longest = std::max(longest, memory.content.size());
    }
    CHECK(scopes.size() >= 5);
    CHECK(texts.size() == memories.size());
    CHECK(longest > 2'500);
}
