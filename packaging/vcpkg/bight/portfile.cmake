# An overlay port: it builds the checkout that it is in.
#
#   vcpkg install bight --overlay-ports=BIGHT/packaging/vcpkg
#
# vcpkg does not notice when the source changes: `vcpkg remove bight` first. A port outside of this tree would fetch a
# release here (vcpkg_from_git), and stay the same otherwise.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

set(FEATURE_io_uring disabled)
if("io-uring" IN_LIST FEATURES)
  set(FEATURE_io_uring enabled)
endif()
set(FEATURE_tools disabled)
if("tools" IN_LIST FEATURES)
  set(FEATURE_tools enabled)
endif()

vcpkg_configure_meson(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -Dadapters=disabled
    -Dbenchmarks=disabled
    -Dcares=disabled
    -Dvalgrind=disabled
    -Dio_uring=${FEATURE_io_uring}
    -Dfuzzers=disabled
    -Dlibkqueue=disabled
    -Donly_tests_with_threads=false
    -Dtest_files_together=1
    -Dsamples=disabled
    -Dtests=disabled
    -Dtools=${FEATURE_tools}
)
vcpkg_install_meson()
vcpkg_fixup_pkgconfig()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/bight)
if("tools" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES bight AUTO_CLEAN)
endif()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")

file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
