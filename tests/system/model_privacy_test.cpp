// The model stages, as privacy_test.cpp does it for embed: nothing that memoird or memoirctl writes, at debug
// level, holds a word of a memory, a prompt, a reply or a correction, while everything fails that can.

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "http/client.hpp"
#include "support/guarded.hpp"
#include "system/chat_fixture.hpp"
#include "system/events.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;

namespace {

const std::string content = "Zwiebelkuchen5711", prompt = "Pflaumenmus5712", said = "Rosinen5713",
                  feedback = "Kirschkern5714", key = "Schluessel5715";

// What servers put into errors: the request, and words of their own, wherever a field is.
std::string echo(const HttpRequest& request) {
    const auto text = said + " " + request.body;
    return json{{"error", {{"message", text}, {"code", said}, {"type", said}, {"param", said}}},
                {"detail", text},
                {"message", text}}
        .dump();
}

struct Server {
    std::string provider;
    ChatDouble chat{provider, [this](const std::string& memory, const HttpRequest& request) {
                        return answer(memory, request);
                    }};

    HttpReply answer(const std::string& memory, const HttpRequest& request) const {
        if (memory == "prose") return chat.reply("I am sorry to hear of the " + said);
        if (memory == "unlisted") return chat.reply(json{{"answer", said}}.dump());
        if (memory == "malformed")
            return chat.reply(json{{"facts", {{{"content", said}, {"confidence", said}}}}}.dump());
        if (memory == "dated")
            return chat.reply(
                json{{"facts", {{{"content", said}, {"confidence", 1}, {"event_at", said}}}}}.dump());
        if (memory == "refused" || memory == "cut") return ended(memory);
        if (memory == "echo400" || memory == "echo409" || memory == "echo422" || memory == "echo500")
            return {std::stoi(memory.substr(4)), echo(request)};
        if (memory == "html") return {500, "<html>" + request.body + said, {{"Content-Type", "text/html"}}};
        if (memory == "other") return {200, json{{"error", said}, {said, request.body}}.dump()};
        if (memory == "broken") return {.status = 200, .body = echo(request), .fault = HttpReply::Fault::cut};
        auto good = chat.facts({memory + " " + said});
        good.headers = {{"X-Request-Id", said},
                        {"Retry-After", said},
                        {"request-id", said},
                        {"x-ratelimit-limit-requests", said}};
        return good;
    }
    // Refused by the model, or cut at the output budget, as each API says it.
    HttpReply ended(const std::string& how) const {
        auto reply = chat.reply("{\"facts\":[{\"content\":\"" + said);
        auto body = json::parse(reply.body);
        if (provider == "ollama" && how == "cut") body["done_reason"] = "length";
        if (provider == "ollama" && how == "refused") return {400, json{{"error", said}}.dump()};
        if (provider == "openai") body["choices"][0]["finish_reason"] = how == "cut" ? "length" : "stop";
        if (provider == "openai" && how == "refused") body["choices"][0]["message"]["refusal"] = said;
        if (provider == "anthropic") {
            body["stop_reason"] = how == "cut" ? "max_tokens" : "refusal";
            body["stop_details"] = {{"category", said}};
        }
        reply.body = body.dump();
        return reply;
    }
};

struct Fixture : ChatFixture {
    std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("memoird-privacy-" + schema.name());
    Fixture() {
        std::filesystem::create_directories(directory);
        std::ofstream(directory / "prompt.txt") << "Give the facts. " << prompt << "\n";
        std::ofstream(directory / "key") << key << "\n";
        std::filesystem::permissions(directory / "key", std::filesystem::perms::owner_read);
        // Facts of one memory are refused by the database, which repeats them.
        schema.sql(
            "create function $schema.refuse() returns trigger language plpgsql as 'begin if new.content like "
            "''stored%'' then raise exception ''% is wrong'', new.content using errcode = ''23514'', detail "
            "= "
            "new.content, hint = new.content, constraint = new.content; end if; return new; end'");
        schema.sql(
            "create trigger refuse before insert on $schema.memories for each row when (new.kind = "
            "'semantic') execute function $schema.refuse()");
    }
    ~Fixture() { std::filesystem::remove_all(directory); }

    void store(const std::string& name) {
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content) values ($1, 'a', 'o', "
            "'u', "
            "'[[' || $1 || ']] ' || $2)",
            pg::Params().add(name).add(content));
    }
    Settings role(const Server& server, const std::string& name) {
        auto settings = server.chat.settings(name);
        settings[name + ".prompt_file"] = "\"" + (directory / "prompt.txt").string() + "\"";
        settings[name + ".api_key_file"] = "\"" + (directory / "key").string() + "\"";
        settings[name + ".timeout"] = "\"5s\"";
        return settings;
    }
    // What memoirctl tells about it, with this configuration.
    std::string told_by_memoirctl(const Memoird& memoird) {
        std::string told;
        std::vector<std::vector<std::string>> commands{
            {"status"}, {"status", "--json"}, {"jobs", "list"}, {"jobs", "list", "--json"}};
        const auto ids = schema.value("select string_agg(id::text, ' ') from $schema.memory_jobs");
        std::istringstream each(ids);
        for (std::string id; each >> id;) commands.push_back({"jobs", "why", id});
        for (const auto& command : commands) {
            Process::Options call{{memoirctl_PROGRAM, "--config", memoird.config_file()}, {}, {}};
            call.arguments.insert(call.arguments.end(), command.begin(), command.end());
            const auto result = run(std::move(call));
            CHECK(result.code == 0);
            told += result.output + result.errors;
        }
        return told;
    }
};

std::string get(const std::string& url) {
    http::Client client;
    http::Request request;
    request.method = "GET";
    request.url = url;
    const auto response = client.send(request);
    CHECK(response.status == 200);
    return response.body;
}

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "no word of memories, prompts, replies and corrections is told, whatever the model does") {
    const std::string provider = GENERATE("ollama", "openai", "anthropic");
    CAPTURE(provider);
    Server server{provider};
    const std::vector<std::string> fail{"prose",   "unlisted", "malformed", "refused", "cut",
                                        "echo400", "echo409",  "echo422",   "echo500", "html",
                                        "other",   "broken",   "stored"};
    const auto port = std::to_string(free_port());
    const std::string page = "http://127.0.0.1:" + port;
    Memoird memoird(schema, embedder,
                    {.settings = quick(role(server, "extraction") + role(server, "relational") +
                                       Settings{{"graph.url", "\"redis://127.0.0.1:1\""},
                                                {"classifier.provider", "\"embedding\""},
                                                {"worker.max_attempts", "2"},
                                                {"metrics.listen", "\"127.0.0.1:" + port + "\""},
                                                {"log.level", "\"debug\""}}),
                     .json = provider != "openai"});
    REQUIRE(memoird.ready());
    for (const auto& name : fail) {
        store(name);
        schema.job(name, "extract");
    }
    for (const std::string name : {"good", "dated", "again"}) store(name);
    for (const std::string name : {"good", "dated"}) schema.job(name, "extract");
    for (const std::string name : {"prose", "malformed", "echo400", "cut"})
        schema.job(name, "relational_extract");
    const auto correction = json{{"reason", "stale"}, {"feedback", feedback}, {"top_k", 0}}.dump();
    for (const std::string name : {"again", "prose", "echo500", "stored", "refused"})
        schema.job(name, "reprocess", correction);
    schema.job("again", "reprocess", json{{"reason", feedback}, {"feedback", feedback}}.dump());
    schema.job("again", "reprocess", json{{"reason", "stale"}, {"memoird", {{"members", feedback}}}}.dump());

    const auto count = [&](const std::string& where) {
        return schema.number("select count(*) from $schema.memory_jobs where " + where);
    };
    CHECK(eventually([&] { return count("state <> 'failed' and kind <> 'synthesize'") == 0; }));
    CHECK(count("kind = 'extract'") == static_cast<std::int64_t>(fail.size()));
    CHECK(count("kind = 'relational_extract'") == 4);
    CHECK(count("kind = 'reprocess'") == 6);
    CHECK(schema.number("select count(*) from $schema.memories where kind = 'semantic'") == 3);
    auto written = told_by_memoirctl(memoird) + get(page + "/metrics") + get(page + "/");

    // And an endpoint that is blocked, whose reason goes into the status line and into memoird_hosts.
    const int refusal = provider == "ollama" ? 404 : provider == "openai" ? 401 : 302;
    server.chat.gate([&](bool canary) { return HttpReply{canary ? refusal : 200, said}; });
    server.chat.says([&](const std::string&, const HttpRequest& request) {
        HttpReply reply{refusal, echo(request)};
        reply.headers = {{"Location", page + "/" + said}, {"WWW-Authenticate", said}};
        return reply;
    });
    store("blocked");
    schema.job("blocked", "extract");
    CHECK(memoird.process().wrote("memoir.breaker.opened"));
    memoird.process().signal(SIGUSR1);
    CHECK(memoird.process().wrote("memoir.worker.status"));
    CHECK(eventually([&] {
        return schema.number(
                   "select count(*) from $schema.memoird_hosts where endpoints::text like '%blocked%'") == 1;
    }));
    written += told_by_memoirctl(memoird) + get(page + "/metrics") + get(page + "/");
    written += schema.value("select string_agg(h::text, ' ') from $schema.memoird_hosts h");
    written += schema.value("select string_agg(failure_reason, ' ') from $schema.memory_jobs");
    CHECK(memoird.stop() == 0);
    written += memoird.log() + memoird.process().output();
    REQUIRE(written.size() > 10'000);
    for (const auto& marker : {content, prompt, said, feedback, key}) {
        INFO(marker);
        const auto at = written.find(marker);
        CHECK(at == std::string::npos);
        if (at != std::string::npos) WARN(written.substr(at > 300 ? at - 300 : 0, 600));
    }
}
