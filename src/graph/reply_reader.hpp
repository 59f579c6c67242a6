#pragma once
// Redis' protocol into Values, over hiredis' reader, within bounds: what a broken or hostile server announces
// is refused before memory is taken for it. Owns the bytes that have come and are not read yet.
// Thread safety: one thread at a time. Errors: Failure(ambiguous): the server may be at fault, or the one
// thing that was asked for is too large; a probe tells.

#include <hiredis/hiredis.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "graph/value.hpp"

namespace memoir::graph {

class ReplyReader {
  public:
    // Of one reply. FalkorDB nests a row's cells in rows in a result; an entity takes some 1.6 kB.
    static constexpr int deepest = 7;
    static constexpr std::size_t most_built = 64 << 20;  // bytes of the values
    static constexpr std::size_t most_item = 8 << 20;    // bytes of one text, as it comes

    ReplyReader();

    // Of the replies from here on: the column whose texts become floats (Command::floats).
    void expect(int floats) { state_.floats = floats; }
    void feed(std::string_view bytes);
    // The next whole reply; nullopt: more bytes are needed.
    std::optional<Value> next();

    // What the functions that hiredis calls share; internal.
    struct State {
        int floats = -1;
        std::size_t built = 0;
        bool too_large = false;
        bool may_build(std::size_t bytes) {
            too_large = too_large || bytes > most_built - built;
            if (!too_large) built += bytes;
            return !too_large;
        }
    };

  private:
    State state_;
    std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
};

}  // namespace memoir::graph
