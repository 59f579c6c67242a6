#include "vector/real_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/failure.hpp"

namespace memoir::vector {
namespace {

// Source: PostgreSQL's array_send: dimensions, has-null flag, element type, then length and lower bound of
// the dimension, each an int32; and pg_type.dat for real's OID.
constexpr std::size_t header = 5, word_digits = 8;
constexpr std::uint32_t real_oid = 700;

constexpr auto nibbles = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(0xff);
    for (std::uint8_t i = 0; i < 10; ++i) table[static_cast<std::size_t>('0' + i)] = i;
    for (std::uint8_t i = 0; i < 6; ++i) table[static_cast<std::size_t>('a' + i)] = std::uint8_t(10 + i);
    return table;
}();

// Eight hex digits; `wrong` collects digits that are none.
std::uint32_t word(std::string_view hex, std::size_t index, std::uint8_t& wrong) {
    std::uint32_t value = 0;
    for (const char digit : hex.substr(index * word_digits, word_digits)) {
        const auto nibble = nibbles[static_cast<std::uint8_t>(digit)];
        wrong |= nibble;
        value = value << 4 | (nibble & 0xfU);
    }
    return value;
}

}  // namespace

bool read_real_array(std::string_view bytea, std::vector<float>& numbers) {
    if (!bytea.starts_with("\\x")) return false;
    const auto hex = bytea.substr(2);
    if (hex.size() < header * word_digits || hex.size() % word_digits != 0) return false;
    std::uint8_t wrong = 0;
    const auto count = word(hex, 3, wrong);
    if (word(hex, 0, wrong) != 1 || word(hex, 1, wrong) != 0 || word(hex, 2, wrong) != real_oid ||
        hex.size() / word_digits != header + 2 * std::size_t{count})
        return false;
    numbers.resize(count);
    for (std::size_t i = 0; i < count; ++i)
        numbers[i] = std::bit_cast<float>(word(hex, header + 2 * i + 1, wrong));
    return (wrong & 0xf0) == 0;
}

void check_vector(std::span<const float> vector, int dimension) {
    if (vector.size() != static_cast<std::size_t>(dimension)) {
        Failure failure(FailureType::blocked, "the embedder made a vector of " +
                                                  std::to_string(vector.size()) +
                                                  " dimensions, the index has " + std::to_string(dimension));
        failure.hint = "make embedding.dimension the dimension of embedding.model";
        throw failure;
    }
    if (!std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); }))
        throw Failure(FailureType::job, "the embedder made a vector with numbers that are not finite");
}

}  // namespace memoir::vector
