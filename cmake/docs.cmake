# Man pages and completions come from the tables that parse configuration and command lines. A program that only the
# build runs writes them: what it writes depends on these tables alone, so a build elsewhere has the same bytes.
set(MEMOIRD_DOCS ${CMAKE_BINARY_DIR}/docs)
set(MEMOIRD_PAGES ${MEMOIRD_DOCS}/man1/memoirctl.1 ${MEMOIRD_DOCS}/man5/memoird.toml.5 ${MEMOIRD_DOCS}/man8/memoird.8)
set(completions)
foreach(program memoird memoirctl)
  list(APPEND completions ${MEMOIRD_DOCS}/bash/${program} ${MEMOIRD_DOCS}/zsh/_${program}
    ${MEMOIRD_DOCS}/fish/${program}.fish)
endforeach()

add_executable(memoird-docs src/memoird_docs.cpp)
target_link_libraries(memoird-docs PRIVATE memoir)
add_custom_command(OUTPUT ${MEMOIRD_PAGES} ${completions} COMMAND memoird-docs ${MEMOIRD_DOCS} DEPENDS memoird-docs
  COMMENT "Writing man pages and completions" VERBATIM)
add_custom_target(docs ALL DEPENDS ${MEMOIRD_PAGES} ${completions})
