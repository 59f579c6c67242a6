#include "graph/reply_reader.hpp"

#include <charconv>
#include <string>

#include "base/failure.hpp"
#include "graph/server_errors.hpp"

namespace memoir::graph {
namespace {

Failure too_large() {
    return {FailureType::ambiguous, "the graph's answer is larger than " +
                                        std::to_string(ReplyReader::most_built >> 20U) +
                                        " MiB, or a text in it larger than " +
                                        std::to_string(ReplyReader::most_item >> 20U) + " MiB"};
}

ReplyReader::State& state_of(const redisReadTask* task) {
    return *static_cast<ReplyReader::State*>(task->privdata);
}

std::vector<float> floats_of(std::string_view text) {
    std::vector<float> numbers;
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') return {};
    const char* at = text.data() + 1;
    const char* const end = text.data() + text.size() - 1;
    while (at < end) {
        float number = 0;
        const auto read = std::from_chars(at, end, number);
        if (read.ec != std::errc()) return {};
        numbers.push_back(number);
        at = read.ptr;
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) ++at;
        if (at == end) break;
        if (*at++ != ',') return {};
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) ++at;
        if (at == end) return {};
    }
    return numbers;
}

// The new value in its place: the parent's list, or nowhere. A null pointer ends the reading. An element's
// own size was counted with its list.
void* place(const redisReadTask* task, Value value, std::size_t bytes = 0) {
    if (!state_of(task).may_build(bytes)) return nullptr;
    if (task->parent == nullptr) return new Value(std::move(value));
    auto& list = std::get<List>(*static_cast<Value*>(task->parent->obj));
    list[static_cast<std::size_t>(task->idx)] = std::move(value);
    return &list[static_cast<std::size_t>(task->idx)];
}

void* make_string(const redisReadTask* task, char* text, size_t size) {
    const std::string_view view(text, size);
    if (task->type == REDIS_REPLY_ERROR) return place(task, read_error(view));
    const int floats = state_of(task).floats;
    if (floats >= 0 && task->idx == floats && size > 0 && text[0] == '[') {
        auto numbers = floats_of(view);
        const auto bytes = numbers.capacity() * sizeof(float);
        return place(task, std::move(numbers), bytes);
    }
    return place(task, std::string(view), size);
}

// hiredis 0.14 counts in int, later releases in size_t.
template <typename Count>
void* make_array(const redisReadTask* task, Count size) {
    int depth = 1;
    for (const auto* above = task->parent; above != nullptr; above = above->parent) ++depth;
    const auto count = size > 0 ? static_cast<std::size_t>(size) : 0;
    auto& state = state_of(task);
    if (depth > ReplyReader::deepest || count > ReplyReader::most_built / sizeof(Value) ||
        !state.may_build(count * sizeof(Value))) {
        state.too_large = true;
        return nullptr;
    }
    return place(task, List(count));
}

void* make_integer(const redisReadTask* task, long long number) {
    return place(task, static_cast<std::int64_t>(number));
}

void* make_nil(const redisReadTask* task) {
    return place(task, Value());
}

void free_value(void* value) {
    delete static_cast<Value*>(value);
}

redisReplyObjectFunctions& functions() {
    static redisReplyObjectFunctions made = [] {
        redisReplyObjectFunctions functions{};
        functions.createString = make_string;
        functions.createArray = make_array;
        functions.createInteger = make_integer;
        functions.createNil = make_nil;
        functions.freeObject = free_value;
        return functions;
    }();
    return made;
}

}  // namespace

ReplyReader::ReplyReader() : reader_(redisReaderCreateWithFunctions(&functions()), redisReaderFree) {
    reader_->privdata = &state_;
    reader_->maxbuf = 0;
}

void ReplyReader::feed(std::string_view bytes) {
    if (reader_->len - reader_->pos + bytes.size() > most_item) throw too_large();
    redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
}

std::optional<Value> ReplyReader::next() {
    void* reply = nullptr;
    if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
        if (state_.too_large) throw too_large();
        throw Failure(FailureType::ambiguous, "what answers at graph.url speaks no Redis");
    }
    if (reply == nullptr) return std::nullopt;
    state_.built = 0;
    const std::unique_ptr<Value> value(static_cast<Value*>(reply));
    return std::move(*value);
}

}  // namespace memoir::graph
