# Everything comes from the distribution's packages; the README gives the reason for each.
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(PostgreSQL REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
find_package(ICU 70 REQUIRED COMPONENTS uc i18n)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)

# Not by pkg-config: its file asks for the development files of protobuf, which only a static library needs.
find_path(SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h REQUIRED)
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)

add_library(memoir_dependencies INTERFACE)
target_link_libraries(memoir_dependencies INTERFACE
  Threads::Threads Boost::boost Boost::program_options PostgreSQL::PostgreSQL spdlog::spdlog
  nlohmann_json::nlohmann_json CURL::libcurl OpenSSL::SSL OpenSSL::Crypto ICU::uc ICU::i18n PkgConfig::SYSTEMD
  PkgConfig::HIREDIS ${SENTENCEPIECE_LIBRARY} ${CMAKE_DL_LIBS})
target_include_directories(memoir_dependencies SYSTEM INTERFACE ${SENTENCEPIECE_INCLUDE_DIR})
target_compile_definitions(memoir_dependencies INTERFACE SPDLOG_FMT_EXTERNAL)
