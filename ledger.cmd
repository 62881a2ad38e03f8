@echo off
rem Builds the command line in Release (incremental, so quick when nothing changed), then runs it.
setlocal
set DOTNET_NOLOGO=1
set DOTNET_CLI_TELEMETRY_OPTOUT=1
dotnet build "%~dp0src\Ledger.Cli\Ledger.Cli.csproj" -c Release -v quiet >"%TEMP%\ledger-build.log" 2>&1
if errorlevel 1 (
    type "%TEMP%\ledger-build.log" 1>&2
    echo ledger: the build failed. 1>&2
    exit /b 1
)
dotnet "%~dp0src\Ledger.Cli\bin\Release\net10.0\Ledger.Cli.dll" %*
exit /b %errorlevel%
