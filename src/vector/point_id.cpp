#include "vector/point_id.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace memoir::vector {

std::string point_id(std::string_view pid) {
    // Ours: the version 5 UUID of "memoird" in the URL namespace of RFC 9562.
    static const auto space = boost::uuids::name_generator_sha1(boost::uuids::ns::url())("memoird");
    return to_string(boost::uuids::name_generator_sha1(space)(pid.data(), pid.size()));
}

}  // namespace memoir::vector
