#pragma once
// What the three chat APIs' answers have in common; what they say when they refuse is server_errors.hpp's.
// Thread safety: pure functions.

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "http/client.hpp"
#include "http/url.hpp"
#include "model/chat_provider.hpp"
#include "model/server_errors.hpp"

namespace memoir::model {

// A discarded value (is_discarded()) where the body is no JSON, or holds more than any answer of a chat API:
// facts without number are at most so many.
nlohmann::json parse_body(const http::Response& response, std::size_t most_values = 200'000);
// Azure's OpenAI, by its host or by the path of a deployment behind a gateway: it has a header of its own for
// the key.
bool is_azure(const http::Url& url);
void add_key(http::Request& request, const Secret& key, bool azure);
// Valid JSON text whatever bytes the strings hold.
std::string dump_body(const nlohmann::json& body);

// The member at a path ("error.details.error_code"), or null; a number as its digits, empty for other kinds.
const nlohmann::json& member_at(const nlohmann::json& body, std::string_view path);
std::string text_at(const nlohmann::json& body, std::string_view path);
// Zero where there is no number that fits.
std::int64_t count_at(const nlohmann::json& body, std::string_view path);

// The failure of an answer that is none of the provider's own cases: the endpoint's table, with a hint that
// names the role's setting.
Failure failure_of(const http::Response& response, const ErrorBody& error, const std::string& role,
                   std::chrono::system_clock::time_point now);
// A 200 whose body is no answer of that API.
Failure no_answer(const http::Response& response);
// It streams although nobody asked it to.
Failure streamed(const std::string& role);
Failure cut_at_budget(int tokens);
Failure refused();
Failure too_long();
Failure billing(const http::Response& response);
Failure budget_refused(const http::Response& response, const std::string& role);
// One request that is more than the account may send in a whole period: it is refused whenever it comes.
bool is_beyond_rate(const http::Response& response, const ErrorBody& error);
Failure beyond_rate();

// What a probe asks: in everything but its length like the work, so that what refuses one refuses the other.
const ChatRequest& probe_request();
// Servers refuse less; a reply that is cut is a reply.
inline constexpr int probe_budget = 16;

// How requests are phrased, for people: "in JSON mode, without temperature".
std::string described(const Form& form);

// The stable part, with the schema in it where no parameter of the request carries it.
std::string rules(const ChatRequest& request, bool schema_is_sent);

// The memory's part. Its last line differs between attempts, or a bad reply may come back from a cache as it
// was.
std::string user_part(const ChatRequest& request);
// Some servers (Ollama's copies of the two big APIs) cut a prompt to their context without a word. Then its
// tokens are exactly a size that contexts have; where that is chance, the next attempt has another number.
std::optional<Failure> cut_prompt(std::int64_t tokens_in, const std::string& role);

// Temperature for an attempt: 0 first, then some, or the same bad reply comes back.
double temperature_for(int attempt);

// When a rate limit's bucket is full again: a Go-like duration ("6m0s", "12ms", "7.66s"), plain seconds, or
// an RFC 3339 time. nullopt for anything else.
std::optional<Milliseconds> parse_reset(const std::string& text, std::chrono::system_clock::time_point now);
// Adds one family of headers when it makes sense (limit and reset above zero, 0 ≤ remaining ≤ limit).
void add_quota(Quotas& quotas, const std::string& which, const http::Response& response,
               const std::string& limit, const std::string& remaining, const std::string& reset, double cost,
               std::chrono::system_clock::time_point now);

}  // namespace memoir::model
