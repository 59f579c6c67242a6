# What belongs where on a machine: the common ground of an installation from source and of packages.
#   cmake --install build/release --component memoird         programs, units, configuration
#   cmake --install build/release --component local-models    what scripts/fetch-models fetched
include(GNUInstallDirs)
set(MEMOIRD_UNITDIR lib/systemd/system CACHE STRING "Folder of the units; a package may name another")
# Where the default configuration looks for models, whatever the prefix.
set(MEMOIRD_MODELDIR /usr/share/memoird/models CACHE PATH "Folder of the embedding models")

install(TARGETS memoird memoirctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT memoird)

# The units name the program by its full path, which is the prefix's.
foreach(unit memoird.service memoird@.service)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/systemd/${unit})
  file(READ ${CMAKE_SOURCE_DIR}/systemd/${unit} text)
  string(REPLACE "=/usr/bin/memoird " "=${CMAKE_INSTALL_FULL_BINDIR}/memoird " text "${text}")
  file(WRITE ${CMAKE_BINARY_DIR}/systemd/${unit} "${text}")
  install(FILES ${CMAKE_BINARY_DIR}/systemd/${unit} DESTINATION ${MEMOIRD_UNITDIR} COMPONENT memoird)
endforeach()
install(FILES systemd/memoird.sysusers DESTINATION lib/sysusers.d RENAME memoird.conf COMPONENT memoird)
install(FILES systemd/memoird.tmpfiles DESTINATION lib/tmpfiles.d RENAME memoird.conf COMPONENT memoird)
install(FILES packaging/memoird.catalog DESTINATION lib/systemd/catalog COMPONENT memoird)
install(FILES README.md LICENSE packaging/metrics.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT memoird)

# Zsh looks into vendor-completions below /usr alone; a package of another distribution may name its own.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(zsh_default ${CMAKE_INSTALL_DATAROOTDIR}/zsh/vendor-completions)
else()
  set(zsh_default ${CMAKE_INSTALL_DATAROOTDIR}/zsh/site-functions)
endif()
set(MEMOIRD_ZSHDIR ${zsh_default} CACHE STRING "Folder of the completions for zsh")

# Man pages (a package compresses them) and completions, as cmake/docs.cmake has them written.
foreach(page ${MEMOIRD_PAGES})
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT memoird)
endforeach()
foreach(program memoird memoirctl)
  install(FILES ${MEMOIRD_DOCS}/bash/${program} COMPONENT memoird
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions)
  install(FILES ${MEMOIRD_DOCS}/zsh/_${program} COMPONENT memoird
    DESTINATION ${MEMOIRD_ZSHDIR})
  install(FILES ${MEMOIRD_DOCS}/fish/${program}.fish COMPONENT memoird
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/fish/vendor_completions.d)
endforeach()
# For Prometheus and Grafana, to be copied or linked to where these look.
install(FILES packaging/prometheus/memoird.rules.yml packaging/grafana/memoird.json
  DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/memoird/monitoring COMPONENT memoird)

# An operator's configuration is never overwritten: a second installation leaves it as it is.
install(CODE "
  set(file \"\$ENV{DESTDIR}/etc/memoird/memoird.toml\")
  if(EXISTS \"\${file}\")
    message(STATUS \"Kept: \${file}\")
  else()
    file(INSTALL \"${CMAKE_SOURCE_DIR}/config/memoird.toml\" DESTINATION /etc/memoird)
  endif()" COMPONENT memoird)

# The private library, where the system has none, and the model, with their licences. EXCLUDE_FROM_ALL: they may not
# have been fetched.
set(fetched ${CMAKE_SOURCE_DIR}/build)
if(NOT ONNXRUNTIME_SONAME)
  install(PROGRAMS ${fetched}/onnxruntime/lib/libonnxruntime.so DESTINATION ${MEMOIRD_PRIVATE_LIBDIR}
    COMPONENT local-models EXCLUDE_FROM_ALL)
  install(FILES ${fetched}/onnxruntime/LICENSE ${fetched}/onnxruntime/ThirdPartyNotices.txt
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/memoird-local-models/onnxruntime
    COMPONENT local-models EXCLUDE_FROM_ALL)
endif()
set(bge ${fetched}/models/bge-small-en-v1.5)
install(FILES ${bge}/model.onnx ${bge}/tokenizer.json ${bge}/LICENSE
  DESTINATION ${MEMOIRD_MODELDIR}/bge-small-en-v1.5 COMPONENT local-models EXCLUDE_FROM_ALL)
